"""The process of one run: `python -m sightwire_trainer.jobs.carry_out PARENT`, with a `RunOrder` on its standard input.

SIGTERM ends it after a checkpoint. It dies with its parent, and the run goes on from its last checkpoint in the next
process.
"""

import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sightwire.bundles import BUNDLE_FILE, file_sha256
from sightwire.contracts.training import RunState, TrainingCompleted, TrainingProgress
from sightwire.errors import ConflictError, SightwireError
from sightwire.platform.parent_death import end_with_parent
from sightwire.settings import SharedSettings, load_settings
from sightwire.telemetry.logs import configure_logs
from sightwire_trainer.jobs.order import Evaluated, RunEnded, RunFailed, RunMessage, RunOrder, StepTaken

if TYPE_CHECKING:
    from sightwire_trainer.training.outcome import TrainingOutcome

logger = logging.getLogger(__name__)


def main() -> None:
    """Carries the order out; the exit status is 0 when the run has ended in good order."""
    end_with_parent(int(sys.argv[1]))
    voice = _Voice(_private_output())
    order = RunOrder.model_validate_json(sys.stdin.buffer.read())
    os.nice(order.nice)
    if order.service is not None:
        configure_logs(load_settings(SharedSettings), service=order.service)
    end = _end_of(order, voice)
    voice.say(end)
    if isinstance(end, RunFailed):
        sys.exit(1)


class _Voice:
    """Tells the parent of the run."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output

    def say(self, message: RunMessage) -> None:
        self._output.write(message.model_dump_json().encode() + b"\n")
        self._output.flush()

    def progressed(self, progress: TrainingProgress) -> None:
        self.say(StepTaken(progress=progress))

    def evaluated(self, progress: TrainingProgress) -> None:
        self.say(Evaluated(progress=progress))

    def ended(self, completed: TrainingCompleted) -> None:
        """Says nothing: the run's end is told when its bundle is made as well."""


def _end_of(order: RunOrder, voice: _Voice) -> RunEnded | RunFailed:
    try:
        with _folder_to_itself(order.folder):
            try:
                outcome = _trained(order, voice)
            except ConflictError as error:
                return RunFailed(code=error.code, detail=error.detail, refused=True)
            return RunEnded(completed=_completed(order, outcome, _exported(order, outcome)))
    except SightwireError as error:
        return RunFailed(code=error.code, detail=error.detail)
    except Exception as error:
        logger.exception("a run failed unexpectedly")
        return RunFailed(code=SightwireError.code, detail=f"{type(error).__name__}: {error}")


def _trained(order: RunOrder, voice: _Voice) -> "TrainingOutcome":
    # Here, so that a process that waits for the folder has not imported torch for it.
    import torch

    from sightwire_trainer.training.interruption import cancelled_by_signals
    from sightwire_trainer.training.run import train

    if order.threads:
        torch.set_num_threads(order.threads)
    with cancelled_by_signals() as cancelled:
        return train(
            order.configuration, order.folder, listener=voice, cancelled=cancelled, run=order.run, cache=order.cache
        )


def _exported(order: RunOrder, outcome: "TrainingOutcome") -> Path | None:
    if not order.export or outcome.state is not RunState.COMPLETED:
        return None
    from sightwire_trainer.training.result import export_result

    return export_result(order.configuration, outcome)


def _completed(order: RunOrder, outcome: "TrainingOutcome", bundle: Path | None) -> TrainingCompleted:
    return TrainingCompleted(
        run=order.run,
        state=outcome.state,
        bundle=None if bundle is None else str(bundle),
        bundle_sha256=None if bundle is None else file_sha256(bundle / BUNDLE_FILE),
        measures=outcome.measures,
        steps=outcome.steps,
        seconds=outcome.seconds,
    )


def _private_output() -> BinaryIO:
    """What standard output was. Whatever a library prints goes where errors go, not between the messages."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return output


@contextmanager
def _folder_to_itself(folder: Path) -> Iterator[None]:
    """Waits until no other process carries out the run in this folder, say one whose request was delivered twice."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main()
