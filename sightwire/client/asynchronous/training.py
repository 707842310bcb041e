"""`sightwire.training`: models that are trained by the trainer service."""

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.client.calls import EventReader
from sightwire.contracts.training import TrainingRun

if TYPE_CHECKING:
    from sightwire.client.asynchronous.client import AsyncSightwire


class Training:
    """`sightwire.training`."""

    def __init__(self, sightwire: "AsyncSightwire") -> None:
        self._sightwire = sightwire
        self._send = sightwire.send

    async def request(self, run: str, configuration: Mapping[str, Any]) -> TrainingRun:
        """Ask for a run, or for one that has ended to go on; `configuration` is what a training file has.

        Example::

            await sightwire.training.request("shapes-2", yaml.safe_load(Path("shapes.yaml").read_text()))
        """
        return await self._send(calls.request_training(run, configuration))

    async def list(self) -> list[TrainingRun]:
        """Runs of the last 90 days, the last asked for first."""
        return await self._send(calls.list_training())

    async def get(self, run: str) -> TrainingRun:
        """How a run stands."""
        return await self._send(calls.get_training(run))

    async def cancel(self, run: str) -> TrainingRun:
        """End a run after a checkpoint, or never begin with one that waits."""
        return await self._send(calls.cancel_training(run))

    def watch(self, run: str) -> AsyncIterator[TrainingRun]:
        """The run as it stands, and each change of it, until it has ended."""
        return self._sightwire.events(calls.training_events_path(run), EventReader("run", TrainingRun))
