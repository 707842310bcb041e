"""Runs of pipelines as callers follow them. The orchestrator carries them out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from sightwire.bus.connection import Bus
from sightwire.bus.pipelines import PipelinesClient
from sightwire.contracts import subjects
from sightwire.contracts.pipeline_control import RunReport
from sightwire.errors import UnavailableError
from sightwire_gateway.sse import KEEP_ALIVE_SECONDS

#: How often a run that is followed is read: only its end is told on the bus.
_READ_SECONDS: Final = 1.0


class PipelineRuns:
    """Waits for runs. Every method raises as `PipelinesClient` does."""

    def __init__(self, bus: Bus, pipelines: PipelinesClient) -> None:
        self._bus = bus
        self._pipelines = pipelines

    async def wait_for_end(self, run: str, seconds: float) -> RunReport:
        """The run once it has ended, or as it stands after `seconds`."""
        deadline = asyncio.get_running_loop().time() + seconds
        async with self._hearing_ends(run) as ended:
            while not (report := await self._pipelines.run(run)).state.is_final:
                try:
                    async with asyncio.timeout_at(deadline):
                        await ended.wait()
                except TimeoutError:
                    return await self._pipelines.run(run)
                ended.clear()
        return report

    async def follow(self, run: str) -> AsyncGenerator[str | None]:
        """The run as JSON, and each change of it until it has ended; None after each long silence."""
        report = await self._pipelines.run(run)
        yield report.model_dump_json()
        silent_reads = 0
        async with self._hearing_ends(run) as ended:
            while not report.state.is_final:
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), _READ_SECONDS)
                ended.clear()
                last = report
                # While one orchestrator takes over from another one, nobody answers.
                with suppress(UnavailableError):
                    report = await self._pipelines.run(run)
                silent_reads += 1
                if report != last:
                    yield report.model_dump_json()
                    silent_reads = 0
                elif silent_reads * _READ_SECONDS >= KEEP_ALIVE_SECONDS:
                    yield None
                    silent_reads = 0

    @asynccontextmanager
    async def _hearing_ends(self, run: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the run ends."""
        ended = asyncio.Event()

        async def hear(_message: Msg) -> None:
            ended.set()

        subscription = await self._bus.client.subscribe(subjects.pipeline_ended(run), cb=hear)
        try:
            yield ended
        finally:
            # While the bus is away there is nothing to give back: the subscription ends with the connection.
            with suppress(NatsError):
                await subscription.unsubscribe()
