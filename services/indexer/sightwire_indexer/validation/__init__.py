"""Gates: what a generation must show before it becomes live, and what searchers must show afterwards.

Each gate is a module with a pure function over open generations; `gatekeeper` runs them and keeps the report,
`deployed` asks the searchers.
"""
