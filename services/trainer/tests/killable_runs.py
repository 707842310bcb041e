"""Runs that kill their own process, as a lost machine would, at a step or while a checkpoint is written."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from sightwire_trainer.training.run import train

from services.trainer.tests.tiny_runs import parsed
from sightwire.contracts.training import RunState, TrainingCompleted, TrainingProgress

#: How often the writing of a checkpoint, and the deletion of older ones, touch files.
MOMENTS_OF_A_CHECKPOINT = 12


def train_and_be_killed(
    content: dict[str, Any], base: Path, folder: Path, kill_at_step: int | None, kill_at_moment: int | None
) -> None:
    """Trains in this process; `kill_at_step` counts its own steps, `kill_at_moment` what it does to checkpoints."""
    # Threads of so small a model only wait for each other.
    torch.set_num_threads(1)
    if kill_at_moment is not None:
        _kill_while_writing(folder / "checkpoints", kill_at_moment)
    outcome = train(parsed(content, base), folder, listener=_KillsAtStep(kill_at_step))
    assert outcome.state == RunState.COMPLETED


def _kill_while_writing(checkpoints: Path, moment: int) -> None:
    """Kills this process when it touches the files of checkpoints for the n-th time, wherever in writing that is."""
    left = moment

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in ("open", "os.rename", "os.remove", "os.rmdir") and _is_written(event, arguments):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    def _is_written(event: str, arguments: tuple[Any, ...]) -> bool:
        path = str(arguments[0])
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            return False
        # What `rmtree` deletes is named relative to its folder.
        return path.startswith(str(checkpoints)) or event in ("os.remove", "os.rmdir")

    sys.addaudithook(watch)


class _KillsAtStep:
    """Kills its own process after so many steps of it."""

    def __init__(self, steps: int | None) -> None:
        self._left = steps

    def progressed(self, progress: TrainingProgress) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def evaluated(self, progress: TrainingProgress) -> None:
        pass

    def ended(self, completed: TrainingCompleted) -> None:
        pass
