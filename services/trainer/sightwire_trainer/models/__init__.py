"""Two-tower models: image trunks, text towers, heads."""
