"""Items that come, change and go while a collection moves to another model, and the items that are there afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import cycle

from bench.running import wait_until_loaded
from sightwire.client import AsyncSightwire
from sightwire.errors import SightwireError
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

#: Of one request.
_BATCH = 100
_REQUESTS_IN_FLIGHT = 4
_SETTLED_SECONDS = 120.0
#: One of so many items changes or goes while the collection moves; nobody asks for those.
CHANGED_EVERY = 10


@dataclass(frozen=True, slots=True)
class Filled:
    """Items that were put with nothing else going on."""

    items: int
    #: From the first request until the searcher answered from all.
    seconds: float

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds


async def fill(
    client: AsyncSightwire,
    stub: "searcher_pb2_grpc.SearcherAsyncStub",
    collection: str,
    texts: dict[str, str],
) -> Filled:
    """Makes a collection with these texts, by id.

    Raises:
        RuntimeError: the platform refused an item.
    """
    await client.collections.create(collection, fields={"text": {"source": "text"}})
    await wait_until_loaded(stub, collection, 0)
    started = time.perf_counter()
    places = asyncio.Semaphore(_REQUESTS_IN_FLIGHT)
    items = [{"id": item_id, "text": text} for item_id, text in texts.items()]

    async def send(batch: list[dict[str, str]]) -> None:
        async with places:
            answer = await client.items.put_many(collection, batch)
        if answer.failed:
            raise RuntimeError(f"the platform refused an item: {answer.failed[0]}")

    async with asyncio.TaskGroup() as sending:
        for start in range(0, len(items), _BATCH):
            sending.create_task(send(items[start : start + _BATCH]))
    await wait_until_loaded(stub, collection, len(items))
    return Filled(len(items), time.perf_counter() - started)


class Changes:
    """Items that are put, changed and deleted on a schedule."""

    def __init__(self, client: AsyncSightwire, collection: str, texts: dict[str, str]) -> None:
        #: What has to be there, by id.
        self.expected = dict(texts)
        self.made = 0
        self.failures: list[str] = []
        #: What was begun is ended then: whether it counts must not be left open.
        self.is_over = False
        self._client = client
        self._collection = collection
        self._changeable = [item_id for number, item_id in enumerate(texts) if number % CHANGED_EVERY == 0]

    async def go_on(self, texts: Sequence[str], *, per_second: float) -> None:
        """Four of five are new items; the fifth changes one that is there, the tenth deletes one."""
        started, old = time.perf_counter(), iter(self._changeable)
        for number, text in enumerate(cycle(texts)):
            if self.is_over:
                return
            await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
            try:
                await self._change(number, text, old)
            except SightwireError as error:
                self.failures.append(f"change {number}: {error}")
            self.made += 1

    async def _change(self, number: int, text: str, old: Iterator[str]) -> None:
        item_id = next(old, None) if number % 5 == 4 else None
        if item_id is not None and number % 10 == 9:
            await self._client.items.delete(self._collection, item_id)
            del self.expected[item_id]
            return
        item_id = item_id or f"new-{number}"
        await self._client.items.put(self._collection, id=item_id, text=text)
        self.expected[item_id] = text


@asynccontextmanager
async def changing(changes: Changes, texts: Sequence[str], *, per_second: float) -> AsyncIterator[None]:
    """Makes changes until the context is left."""
    going = asyncio.create_task(changes.go_on(texts, per_second=per_second))
    try:
        yield
    finally:
        changes.is_over = True
        await going


async def wait_until_holding(stub: "searcher_pb2_grpc.SearcherAsyncStub", index: str, items: int) -> None:
    """Returns when the searcher answers from exactly so many items of an index, or after two minutes."""
    request = searcher_pb2.DescribeCollectionRequest(collection=index)
    with suppress(TimeoutError):
        async with asyncio.timeout(_SETTLED_SECONDS):
            # As a client would see it, by asking.
            while (await stub.DescribeCollection(request)).items != items:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
