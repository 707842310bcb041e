"""Detects objects and embeds images and texts, from the bus and over gRPC."""
