"""Segments: the immutable folders that an index is made of, and the manifests that list them.

The indexer writes and merges segments, searchers read them. Start reading at `schema` (what is stored), `writer` and
`reader`; then `manifest` and `commit` for how a set of segments changes.
"""
