"""Hears how far attempts are."""

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import ValidationError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.operations import Progress
from sightwire.contracts.pipelines import AttemptProgress, RunId, TaskName

logger = logging.getLogger(__name__)

#: Runs of which something is kept, those that told something last.
_MOST_RUNS: Final = 1000


class ProgressBoard:
    """What workers told last of the tasks of runs. Nothing of it is stored: after a crash they tell it again."""

    def __init__(self) -> None:
        self._told: OrderedDict[RunId, dict[TaskName, AttemptProgress]] = OrderedDict()

    @asynccontextmanager
    async def listening(self, bus: Bus) -> AsyncIterator[None]:
        """Hears what workers tell while the block runs."""
        subscription = await bus.client.subscribe(subjects.TASK_PROGRESS_ALL, cb=self._hear)
        try:
            yield
        finally:
            # While the bus is away there is nothing to give back: the subscription ends with the connection.
            with suppress(NatsError):
                await subscription.unsubscribe()

    def note(self, said: AttemptProgress) -> None:
        """Takes the place of what was told of the task before."""
        self._told.setdefault(said.run, {})[said.task] = said
        self._told.move_to_end(said.run)
        if len(self._told) > _MOST_RUNS:
            self._told.popitem(last=False)

    def of_attempt(self, run: RunId, task: TaskName, attempt: int) -> Progress | None:
        """How far an attempt is; None: it has not said so."""
        said = self._told.get(run, {}).get(task)
        return said.progress if said is not None and said.attempt == attempt else None

    async def _hear(self, message: Msg) -> None:
        try:
            self.note(AttemptProgress.model_validate_json(message.data))
        except ValidationError as error:
            logger.warning("not an AttemptProgress", extra={"subject": message.subject, "error": str(error)})
