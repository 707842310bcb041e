"""Search engines side by side: the same vectors, the same queries, the same recall, one machine."""
