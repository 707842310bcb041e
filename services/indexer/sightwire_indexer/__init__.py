"""The only writer of indexes: segments, commits and merges."""
