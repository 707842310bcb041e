"""Curves for TensorBoard."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from sightwire.contracts.training import TrainingCompleted, TrainingProgress


class TensorBoardLog:
    """Writes scalars by step into a folder of event files; steps done again after an interruption replace the first."""

    def __init__(self, folder: Path, *, first_step: int = 0) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=first_step or None)

    def progressed(self, progress: TrainingProgress) -> None:
        if progress.loss is not None:
            self._add("training/loss", progress.loss, progress)
        self._add("training/learning_rate", progress.learning_rate, progress)
        self._add("training/samples_per_second", progress.samples_per_second, progress)

    def evaluated(self, progress: TrainingProgress) -> None:
        for name, value in progress.measures.items():
            self._add(f"validation/{name}", value, progress)
        self._writer.flush()

    def ended(self, completed: TrainingCompleted) -> None:  # noqa: ARG002 - the curves say all
        self._writer.close()

    def _add(self, name: str, value: float, progress: TrainingProgress) -> None:
        self._writer.add_scalar(name, value, progress.step)
