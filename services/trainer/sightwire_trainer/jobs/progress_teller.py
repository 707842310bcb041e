"""Publishes a run's progress: evaluations each, of steps only the last one, and not more often than is wanted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from sightwire.contracts.training import TrainingProgress
from sightwire.errors import UnavailableError

logger = logging.getLogger(__name__)

Publish = Callable[[TrainingProgress], Awaitable[None]]


class ProgressTeller:
    """`tell` never waits, so that a slow bus does not keep the run from telling; `run` publishes until `finish`."""

    def __init__(self, publish: Publish, *, pause_seconds: float) -> None:
        self._publish = publish
        self._pause_seconds = pause_seconds
        self._waiting: list[TrainingProgress] = []
        self._last_is_step = False
        self._news = asyncio.Event()
        self._finished = asyncio.Event()

    def tell(self, progress: TrainingProgress, is_evaluation: bool) -> None:
        if self._last_is_step:
            self._waiting.pop()
        self._waiting.append(progress)
        self._last_is_step = not is_evaluation
        self._news.set()

    def finish(self) -> None:
        """Nothing more is told; `run` returns when the last is published."""
        self._finished.set()
        self._news.set()

    async def run(self) -> None:
        """Publishes what is told. What the bus does not take is lost: newer progress follows."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._publish_waiting()
            if self._finished.is_set() and not self._waiting:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._finished.wait(), self._pause_seconds)

    async def _publish_waiting(self) -> None:
        waiting, self._waiting, self._last_is_step = self._waiting, [], False
        for progress in waiting:
            try:
                await self._publish(progress)
            except UnavailableError as error:
                logger.info("progress was not published", extra={"run": progress.run, "reason": error.detail})
