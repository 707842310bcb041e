"""Weights of rankings that are fused."""

import math

from sightwire.errors import InvalidInputError


def checked_weight(weight: float, whose: str) -> float:
    """A weight above 0; the message's 0 stands for 1.

    Raises:
        InvalidInputError: it is negative or not finite; the message says `whose` it is.
    """
    if not math.isfinite(weight) or weight < 0:
        raise InvalidInputError(f"the weight of {whose} expects a number from 0, got {weight}")
    return weight or 1.0
