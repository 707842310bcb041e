"""A cache of two levels: the process's own memory, and above all processes a Redis or Valkey server.

`levels.MultiLevelCache` is what callers use; `docs/caching.md` says what it promises.
"""
