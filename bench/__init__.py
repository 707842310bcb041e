"""Benchmarks: each module measures one thing against a baseline of the same run. `python -m bench` runs them all."""
