"""Tells the orchestrator how far an attempt is, once a second at most, however often its handler says so."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from nats.errors import Error as NatsError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.operations import Progress
from sightwire.contracts.pipelines import AttemptProgress, TaskOrder

logger = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 1.0


class ProgressTeller:
    """Of one attempt. Made on the event loop; `tell` may be called from any thread.

    Args:
        publish: sends what is to be told; only the last of what came within a second is.
    """

    def __init__(self, publish: Callable[[Progress], Awaitable[None]]) -> None:
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._last: Progress | None = None
        #: Whether what was said last will be looked at, so that nobody need say that there is something.
        self._is_noted = False
        self._told_at = -INTERVAL_SECONDS
        self._telling: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_ended = False

    def tell(self, progress: Progress) -> None:
        """Takes the place of what was said before."""
        self._last = progress
        if not self._is_noted:
            self._is_noted = True
            self._loop.call_soon_threadsafe(self._note)

    def end(self) -> None:
        """The attempt is over: nothing more is told."""
        self._has_ended = True
        if self._timer is not None:
            self._timer.cancel()

    def _note(self) -> None:
        if self._has_ended:
            return
        wait = self._told_at + INTERVAL_SECONDS - self._loop.time()
        if wait > 0:
            self._timer = self._loop.call_later(wait, self._note)
            return
        self._told_at = self._loop.time()
        # Before the value is taken: what is said after this is looked at again.
        self._is_noted = False
        assert self._last is not None, "something was said"
        self._telling = self._loop.create_task(self._tell_now(self._last))

    async def _tell_now(self, progress: Progress) -> None:
        try:
            await self._publish(progress)
        except NatsError as error:
            # The next one may arrive; the attempt goes on in any case.
            logger.debug("progress cannot be told now", extra={"error": repr(error)})


def progress_of(order: TaskOrder, bus: Bus) -> ProgressTeller:
    """Tells of the attempt that was ordered."""

    async def publish(progress: Progress) -> None:
        said = AttemptProgress(
            run=order.run, task=order.task, element=order.element, attempt=order.attempt, progress=progress
        )
        await bus.client.publish(subjects.task_progress(order.run), said.model_dump_json().encode())

    return ProgressTeller(publish)
