"""Items that come in steadily, and what the platform says meanwhile."""

import asyncio
import re
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import httpx
from nats.aio.msg import Msg

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.events import IndexReady
from sightwire.ending_tasks import end_tasks

_REQUESTS_IN_FLIGHT: Final = 4
_POLL_SECONDS: Final = 0.25
_MERGES_RUNNING: Final = re.compile(r'^sightwire_indexer_merges_running\{lane="(\w+)"\} (\S+)$', re.MULTILINE)


async def send_steadily(
    http: httpx.AsyncClient, collection: str, bodies: Sequence[bytes], *, batches_per_second: float
) -> float:
    """Posts batches of items on schedule; seconds until the last one was acknowledged.

    A platform that is too slow for the schedule gets as many as it takes.

    Raises:
        ExceptionGroup: the platform refused an item.
    """
    places = asyncio.Semaphore(_REQUESTS_IN_FLIGHT)
    path, headers = f"/v1/collections/{collection}/items:batch", {"content-type": "application/json"}

    async def send(body: bytes) -> None:
        try:
            answer = (await http.post(path, content=body, headers=headers)).raise_for_status().json()
        finally:
            places.release()
        if answer["failed"]:
            raise RuntimeError(f"the platform refused an item: {answer['failed'][0]}")

    started = time.perf_counter()
    async with asyncio.TaskGroup() as sending:
        for number, body in enumerate(bodies):
            await asyncio.sleep(max(0.0, started + number / batches_per_second - time.perf_counter()))
            await places.acquire()
            sending.create_task(send(body))
    return time.perf_counter() - started


class Watch:
    """Segments of a collection, and which merges run; entered as an async context manager by `watching`."""

    def __init__(self) -> None:
        #: Of each manifest.
        self.segments: list[int] = []
        self._times: list[float] = []
        self._lanes: list[frozenset[str]] = []

    def lanes_at(self, moment: float) -> frozenset[str]:
        """Kinds of merges that ran at a moment on the clock of `time.perf_counter`."""
        position = bisect_right(self._times, moment) - 1
        return self._lanes[position] if position >= 0 else frozenset()

    @property
    def quiet_since(self) -> float | None:
        """Since when no merge has been running; None while one is."""
        since = None
        for moment, lanes in zip(reversed(self._times), reversed(self._lanes), strict=True):
            if lanes:
                break
            since = moment
        return since

    async def hear_manifest(self, message: Msg) -> None:
        self.segments.append(IndexReady.model_validate_json(message.data).segments)

    def note_metrics(self, text: str) -> None:
        """Takes what the indexer's page of metrics says now."""
        self._times.append(time.perf_counter())
        self._lanes.append(frozenset(lane for lane, count in _MERGES_RUNNING.findall(text) if float(count) > 0))


@asynccontextmanager
async def watching(bus: Bus, collection: str, indexer_url: str) -> AsyncIterator[Watch]:
    """Watches a collection and the indexer until the context is left."""
    watch = Watch()

    async def poll(http: httpx.AsyncClient) -> None:
        while True:
            watch.note_metrics((await http.get(f"{indexer_url}/metrics")).raise_for_status().text)
            await asyncio.sleep(_POLL_SECONDS)

    subscription = await bus.client.subscribe(subjects.index_ready(collection), cb=watch.hear_manifest)
    async with httpx.AsyncClient() as http:
        polling = asyncio.create_task(poll(http))
        try:
            yield watch
            if polling.done():
                polling.result()
        finally:
            await end_tasks(polling)
            await subscription.unsubscribe()
