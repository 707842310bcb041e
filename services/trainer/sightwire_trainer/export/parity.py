"""Whether an exported form answers as the model does."""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from sightwire_trainer.export.errors import ExportError
from sightwire_trainer.export.tower_programs import CHECKED_BATCHES, Tensors, TowerProgram

#: Of each number of a vector of length 1.
TOLERANCE: Final = 1e-4


def require_parity(
    what: str, program: TowerProgram, run: Callable[[Tensors], NDArray[np.float32]], *, tolerance: float = TOLERANCE
) -> float:
    """The largest difference between the tower's vectors and those of `run`, over several batches.

    Raises:
        ExportError: the difference is above `tolerance`, or a shape is another one.
    """
    largest = 0.0
    for batch in CHECKED_BATCHES:
        inputs = program.inputs(batch)
        expected: NDArray[np.float32] = program.expected(inputs).numpy()
        found = run(inputs)
        if found.shape != expected.shape:
            raise ExportError(
                f"{what}: for a batch of {batch}, expected vectors of shape {list(expected.shape)} as the model's, "
                f"got {list(found.shape)}"
            )
        difference = float(np.abs(found - expected).max())
        # Not `>`, which is false for NaN.
        if not difference <= tolerance:
            raise ExportError(
                f"{what}: for a batch of {batch}, its vectors differ from the model's by {difference:.2e}, expected "
                f"at most {tolerance:.0e}; the exporter does not cover an operation of the model, so change the model "
                "or the version of torch"
            )
        largest = max(largest, difference)
    return largest


def as_tensors(outputs: object) -> torch.Tensor:
    """The one tensor that a program answered."""
    if isinstance(outputs, tuple | list):
        (outputs,) = outputs
    assert isinstance(outputs, torch.Tensor)
    return outputs
