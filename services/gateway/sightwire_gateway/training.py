"""Training runs as callers see them: asked for, listed, followed, cancelled. Trainers carry them out."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from sightwire.bus.connection import Bus
from sightwire.bus.training_requests import cancel_run, request_run
from sightwire.bus.training_runs import last_request, list_runs, standing_of
from sightwire.contracts import subjects
from sightwire.contracts.training import TrainingRun
from sightwire.errors import NotFoundError
from sightwire_gateway.sse import KEEP_ALIVE_SECONDS

_SOURCE = "gateway"


class TrainingRuns:
    """The runs on a bus. Every method raises `UnavailableError` while the bus is away."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def request(self, run: str, configuration: dict[str, Any]) -> TrainingRun:
        """Asks for a run, or for one that has ended to go on."""
        await request_run(self._bus, run, configuration, source=_SOURCE)
        return await self.get(run)

    async def list(self) -> list[TrainingRun]:
        """Those of the last 90 days, the last asked for first."""
        return await list_runs(self._bus)

    async def get(self, run: str) -> TrainingRun:
        """How a run stands.

        Raises:
            NotFoundError: nobody asked for it, or long ago, or with a configuration that was refused.
        """
        return await standing_of(self._bus, run, request=await self._last_request(run))

    async def cancel(self, run: str) -> TrainingRun:
        """Cancels a run; how it stands then: one that is carried out ends after its next step.

        Raises:
            NotFoundError: as `get`.
            ConflictError: it has ended.
        """
        await cancel_run(self._bus, run, source=_SOURCE)
        return await self.get(run)

    async def follow(self, run: str) -> AsyncGenerator[str | None]:
        """The run as JSON, and each change of it until it has ended; None after each long silence.

        Raises:
            NotFoundError: as `get`.
        """
        request = await self._last_request(run)
        news = asyncio.Event()

        async def hear(_message: Msg) -> None:
            news.set()

        heard = (subjects.training_progress(run), subjects.TRAINING_COMPLETED)
        subscriptions = [await self._bus.client.subscribe(subject, cb=hear) for subject in heard]
        last: TrainingRun | None = None
        try:
            while True:
                news.clear()
                standing = await standing_of(self._bus, run, request=request)
                if standing != last:
                    yield standing.model_dump_json()
                if standing.has_ended:
                    return
                last = standing
                try:
                    await asyncio.wait_for(news.wait(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield None
        finally:
            for subscription in subscriptions:
                with suppress(NatsError):
                    await subscription.unsubscribe()

    async def _last_request(self, run: str) -> int:
        request = await last_request(self._bus, run)
        if request is None:
            raise NotFoundError(
                f"there is no training run {run!r}; GET /v1/training/runs lists those of the last 90 days, and the "
                "dead letters have requests that trainers refused"
            )
        return request
