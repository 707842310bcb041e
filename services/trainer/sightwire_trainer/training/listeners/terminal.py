"""A progress bar for a person who watches."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from sightwire.contracts.training import TrainingCompleted, TrainingProgress


class TerminalProgress:
    """A bar with loss, speed and the time that is left, and a line for each evaluation."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
        )
        self._task: TaskID | None = None

    def progressed(self, progress: TrainingProgress) -> None:
        if self._task is None:
            self._task = self._bar.add_task("epoch 0", total=progress.steps, figures="")
            self._bar.start()
        self._bar.update(
            self._task,
            completed=progress.step,
            description=f"epoch {progress.epoch}",
            figures=figures_line(progress),
        )

    def evaluated(self, progress: TrainingProgress) -> None:
        measures = "  ".join(f"{name} {value:.3f}" for name, value in sorted(progress.measures.items()))
        self._bar.console.print(f"step {progress.step}, epoch {progress.epoch}: {measures}", markup=False)

    def ended(self, completed: TrainingCompleted) -> None:
        self._bar.stop()
        reason = f": {completed.reason}" if completed.reason else ""
        self._console.print(
            f"{completed.state} after {completed.steps} steps in {completed.seconds:.0f} s{reason}", markup=False
        )


def figures_line(progress: TrainingProgress) -> str:
    """Loss, rate, speed and what time is left, in few characters."""
    loss = f"loss {progress.loss:.3f}" if progress.loss is not None else "loss –"
    left = f"{progress.seconds_left / 60:.1f} min left" if progress.seconds_left is not None else ""
    return f"{loss}  rate {progress.learning_rate:.1e}  {progress.samples_per_second:.0f} samples/s  {left}".rstrip()
