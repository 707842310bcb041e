"""Sightwire's searcher over gRPC: the platform's own process, with an index as its merges leave it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import grpc
import grpc.aio

from bench.running import RunningSearcher, bus_of, platform_without_demo, searchers_of, wait_until_loaded
from bench.search.clients import Call, GrpcClients
from bench.search.memory import resident_bytes
from bench.search.sending import item_batches, post_items
from bench.search.task import BUCKETS, K, Matrix, Rows, Task
from bench.written_index import BUCKET, FIELD, write_index
from sightwire.platform.running_platform import RunningPlatform
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

_COLLECTION: Final = "compared"
_QUERIES_PER_CALL: Final = 256
#: Of these: the searcher answers one while the client reads the answer to the other.
_CALLS_IN_FLIGHT: Final = 2

#: Answers queries [n, dimension] with the rows that were found for each.
AskMany = Callable[[Matrix], Awaitable[Sequence[Sequence[int]]]]


class _SearcherClients(GrpcClients):
    """Clients of the searcher; where as many queries as possible are wanted, one that sends many in a call."""

    def __init__(
        self, addresses: Sequence[str], connect: Callable[[grpc.Channel], Call], ask_many: AskMany, vectors: Matrix
    ) -> None:
        super().__init__(addresses, connect)
        self._ask_many = ask_many
        self._vectors = vectors

    async def flood(self, *, queries: int, seconds: float) -> float:
        starts = cycle(range(0, queries, _QUERIES_PER_CALL))
        started = time.perf_counter()

        async def client() -> int:
            answered = 0
            while time.perf_counter() < started + seconds:
                start = next(starts)
                answered += len(await self._ask_many(self._vectors[start : min(start + _QUERIES_PER_CALL, queries)]))
            return answered

        answered = await asyncio.gather(*(client() for _ in range(_CALLS_IN_FLIGHT)))
        return sum(answered) / (time.perf_counter() - started)


class SightwireSearcher:
    """Queries with ids and scores as answers, without documents, as the others are asked."""

    def __init__(
        self,
        task: Task,
        platform: RunningPlatform,
        searchers: Sequence[RunningSearcher],
        stubs: Sequence["searcher_pb2_grpc.SearcherAsyncStub"],
        build_seconds: float,
    ) -> None:
        self._queries = task.queries
        self._vectors = len(task.vectors)
        self._gateway_url = platform.gateway_url
        self._searchers = searchers
        self._stubs = stubs
        self._next_stub = cycle(stubs)
        self.build_seconds = build_seconds

    async def asking(self, *, effort: int, percent: int) -> GrpcClients:
        requests = [
            searcher_pb2.SearchRequest(
                collection=_COLLECTION,
                queries=[searcher_pb2.FieldQuery(field=FIELD, vector=query.tobytes())],
                k=K,
                ef_search=effort,
                omit_documents=True,
                filter=_bucket_filter(percent),
            )
            for query in self._queries
        ]

        def connect(channel: grpc.Channel) -> Call:
            search = searcher_pb2_grpc.SearcherStub(channel).Search
            return lambda number: [int(hit.item_id) for hit in search(requests[number]).hits]

        async def ask_many(vectors: Matrix) -> Sequence[Sequence[int]]:
            response = await next(self._next_stub).SearchMany(
                searcher_pb2.SearchManyRequest(
                    collection=_COLLECTION,
                    field=FIELD,
                    vectors=vectors.tobytes(),
                    k=K,
                    ef_search=effort,
                    omit_documents=True,
                    filter=_bucket_filter(percent),
                )
            )
            rows = map(int, response.item_ids)
            return [list(islice(rows, count)) for count in response.counts]

        addresses = [searcher.address for searcher in self._searchers]
        return _SearcherClients(addresses, connect, ask_many, self._queries)

    async def insert(self, vectors: Matrix, buckets: Rows) -> None:
        """As a user would: batches over REST, through gateway, bus, embedder and indexer."""
        await post_items(self._gateway_url, _COLLECTION, item_batches(vectors, buckets, first=self._vectors))
        self._vectors += len(vectors)
        await _wait_until_all_loaded(self._stubs, self._vectors)

    def resident_bytes(self) -> int:
        """Of all searchers; what several have mapped counts for each."""
        return sum(resident_bytes(searcher.process_id) for searcher in self._searchers)


@asynccontextmanager
async def sightwire_searcher(task: Task, _folder: Path) -> AsyncIterator[SightwireSearcher]:
    """A platform with the task's vectors in one collection."""
    async with _sightwire(task, searchers=1) as engine:
        yield engine


@asynccontextmanager
async def two_searchers(task: Task, _folder: Path) -> AsyncIterator[SightwireSearcher]:
    """The same with two searchers, which have a core each."""
    async with _sightwire(task, searchers=2) as engine:
        yield engine


@asynccontextmanager
async def _sightwire(task: Task, *, searchers: int) -> AsyncIterator[SightwireSearcher]:
    async with AsyncExitStack() as resources:
        platform = await resources.enter_async_context(platform_without_demo(searchers=searchers))
        bus = await resources.enter_async_context(bus_of(platform))
        started = time.perf_counter()
        await write_index(platform, bus, _COLLECTION, task.vectors, buckets=task.buckets)
        build_seconds = time.perf_counter() - started
        running = searchers_of(platform)
        channels = [
            await resources.enter_async_context(grpc.aio.insecure_channel(searcher.address)) for searcher in running
        ]
        stubs = [searcher_pb2_grpc.SearcherStub(channel) for channel in channels]
        engine = SightwireSearcher(task, platform, running, stubs, build_seconds)
        await _wait_until_all_loaded(stubs, len(task.vectors))
        yield engine


async def _wait_until_all_loaded(stubs: Sequence["searcher_pb2_grpc.SearcherAsyncStub"], items: int) -> None:
    for stub in stubs:
        await wait_until_loaded(stub, _COLLECTION, items)


def _bucket_filter(percent: int) -> searcher_pb2.Filter | None:
    if percent >= BUCKETS:
        return None
    return searcher_pb2.Filter(
        metadata=searcher_pb2.Comparison(
            field=BUCKET,
            operator=searcher_pb2.OPERATOR_LT,
            value=searcher_pb2.Value(integer_value=percent),
        )
    )
