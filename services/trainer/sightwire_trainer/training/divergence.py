"""A loss that is no number: the run is lost from here, and must not overwrite what was good."""

import math

from sightwire.errors import SightwireError


class DivergedError(SightwireError):
    """A loss or gradient is NaN or infinite: the learning rate is too high, or the data have faults."""

    code = "training-diverged"
    status = 422


def require_finite(what: str, value: float) -> None:
    """Does nothing for a number.

    Raises:
        DivergedError: it is NaN or infinite.
    """
    if math.isfinite(value):
        return
    raise DivergedError(
        f"{what} is {value}, not a finite number; checkpoints are as they were: lower the rates of `optimiser`, set "
        "`precision: float32`, or look for faulty samples, and begin anew with --fresh"
    )
