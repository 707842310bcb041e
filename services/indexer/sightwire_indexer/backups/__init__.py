"""Backups of collections' indexes in a blob store of their own, and the way back."""
