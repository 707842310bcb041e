"""Keeping snapshots current: `loader` makes one from a manifest, `reloader` decides when."""
