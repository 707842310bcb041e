"""`sightwire.training`: models that are trained by the trainer service."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.client.calls import EventReader
from sightwire.contracts.training import TrainingRun

if TYPE_CHECKING:
    from sightwire.client.synchronous.client import Sightwire


class Training:
    """`sightwire.training`."""

    def __init__(self, sightwire: "Sightwire") -> None:
        self._sightwire = sightwire
        self._send = sightwire.send

    def request(self, run: str, configuration: Mapping[str, Any]) -> TrainingRun:
        """Ask for a run, or for one that has ended to go on; `configuration` is what a training file has.

        Example::

            sightwire.training.request("shapes-2", yaml.safe_load(Path("shapes.yaml").read_text()))
        """
        return self._send(calls.request_training(run, configuration))

    def list(self) -> list[TrainingRun]:
        """Runs of the last 90 days, the last asked for first."""
        return self._send(calls.list_training())

    def get(self, run: str) -> TrainingRun:
        """How a run stands."""
        return self._send(calls.get_training(run))

    def cancel(self, run: str) -> TrainingRun:
        """End a run after a checkpoint, or never begin with one that waits."""
        return self._send(calls.cancel_training(run))

    def watch(self, run: str) -> Iterator[TrainingRun]:
        """The run as it stands, and each change of it, until it has ended."""
        return self._sightwire.events(calls.training_events_path(run), EventReader("run", TrainingRun))
