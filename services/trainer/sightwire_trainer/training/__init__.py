"""Training runs: steps, schedule, averaging, evaluation, and going on after any interruption.

Start reading at `run`, which puts a run together, and `loop`, which takes its steps.
"""
