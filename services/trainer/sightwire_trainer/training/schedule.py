"""The learning rate over a run: a linear warm-up, then half a cosine."""

import math


def rate_share(step: int, *, steps: int, warmup: float, final: float) -> float:
    """Share of the full learning rate at a step, counted from 0, of `steps` in all.

    It rises through `warmup`, a share of all steps, to 1, and falls to `final` at the last step. Before step 0 it is 0.
    """
    if step < 0:
        return 0.0
    warmup_steps = round(warmup * steps)
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    falling_steps = steps - 1 - warmup_steps
    fallen = min(1.0, (step - warmup_steps) / falling_steps) if falling_steps > 0 else 0.0
    return final + (1 - final) * (1 + math.cos(math.pi * fallen)) / 2
