"""The baseline: what one would write over JetStream without an orchestrator. An order, a worker, a result; no state."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from nats.aio.msg import Msg

from sightwire.bus.connection import Bus
from sightwire.bus.topology import stream_configuration
from sightwire.contracts.streams import TASKS, Retention, StreamDefinition

STREAM: Final = "BENCH_BARE"
ORDERS: Final = "bench.orders"
RESULTS: Final = "bench.results"
CONSUMER: Final = "workers"
_DEFINITION: Final = StreamDefinition(
    name=STREAM,
    subjects=(ORDERS, RESULTS),
    retention=Retention.WORK_QUEUE,
    description="Orders and results of the baseline",
    flush_later=TASKS.flush_later,
)
_DEADLINE_SECONDS: Final = 60.0
#: About what an order of an empty task has.
_PAYLOAD: Final = bytes(250)


class BareQueue:
    """Orders and results in a work queue stream, flushed when the platform's are."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._free = asyncio.Semaphore(0)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Creates the stream and hears results while the block runs."""
        configuration = stream_configuration(_DEFINITION, replicas=1)
        await self._bus.client.request(f"$JS.API.STREAM.CREATE.{STREAM}", json.dumps(configuration).encode())
        hearing = await self._bus.jetstream.subscribe(RESULTS, durable="results", cb=self._hear, manual_ack=True)
        try:
            yield
        finally:
            await hearing.unsubscribe()

    async def rate(self, orders: int, in_flight: int) -> float:
        """Orders answered a second, with so many on their way at once."""
        self._free = asyncio.Semaphore(in_flight)
        started = time.perf_counter()
        async with asyncio.timeout(_DEADLINE_SECONDS), asyncio.TaskGroup() as publishing:
            for _ in range(orders):
                await self._free.acquire()
                publishing.create_task(self._bus.publish(ORDERS, _PAYLOAD, {}))
            for _ in range(in_flight):
                await self._free.acquire()
        return orders / (time.perf_counter() - started)

    async def _hear(self, message: Msg) -> None:
        await message.ack()
        self._free.release()
