"""What came of a run."""

from dataclasses import dataclass, field
from pathlib import Path

from sightwire.contracts.training import RunState


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """How a run ended; a failed one raises its error instead."""

    #: Completed, or cancelled: then the same call goes on where it ended.
    state: RunState
    folder: Path
    steps: int
    #: Epochs that were seen in full.
    epochs: int
    #: Of the best evaluation on the validation set; empty when there was none.
    measures: dict[str, float] = field(default_factory=dict)
    #: Step of that evaluation, whose weights are the result.
    best_step: int | None = None
    #: Spent in this process.
    seconds: float = 0.0
    #: Whether early stopping ended the run before its last epoch.
    stopped_early: bool = False
