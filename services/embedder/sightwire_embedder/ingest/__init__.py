"""Ingest events to embedded items: checked, embedded, published, each acknowledged on its own."""
