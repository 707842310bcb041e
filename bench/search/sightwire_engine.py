"""Sightwire's searcher over gRPC: the platform's own process, with an index as its merges leave it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc.aio

from bench.running import bus_of, platform_without_demo
from bench.search.engine import BUCKETS, Ask, K, Task
from bench.search.memory import resident_bytes
from bench.written_index import BUCKET, FIELD, write_index
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

_COLLECTION = "compared"
_LOAD_SECONDS = 60.0


class SightwireSearcher:
    """Queries with ids and scores as answers, without documents, as the others are asked."""

    name = "Sightwire"

    def __init__(self, task: Task, channel: grpc.aio.Channel, process_id: int, build_seconds: float) -> None:
        self._task = task
        self._stub = searcher_pb2_grpc.SearcherStub(channel)
        self._process_id = process_id
        self.build_seconds = build_seconds

    def asking(self, *, effort: int, percent: int) -> Ask:
        requests = [
            searcher_pb2.SearchRequest(
                collection=_COLLECTION,
                queries=[searcher_pb2.FieldQuery(field=FIELD, vector=query.tobytes())],
                k=K,
                ef_search=effort,
                omit_documents=True,
                filter=_bucket_filter(percent),
            )
            for query in self._task.queries
        ]

        async def ask(number: int) -> Sequence[int]:
            response = await self._stub.Search(requests[number])
            return [int(hit.item_id) for hit in response.hits]

        return ask

    def resident_bytes(self) -> int | None:
        return resident_bytes(self._process_id)

    async def wait_until_loaded(self) -> None:
        """Returns when the searcher answers from all vectors."""
        request = searcher_pb2.DescribeCollectionRequest(collection=_COLLECTION)
        async with asyncio.timeout(_LOAD_SECONDS):
            # As a client would see it, by asking.
            while (await self._stub.DescribeCollection(request)).items < len(self._task.vectors):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@asynccontextmanager
async def sightwire_searcher(task: Task) -> AsyncIterator[SightwireSearcher]:
    """A platform with the task's vectors in one collection."""
    async with platform_without_demo() as platform, bus_of(platform) as bus:
        started = time.perf_counter()
        await write_index(platform, bus, _COLLECTION, task.vectors, buckets=task.buckets)
        build_seconds = time.perf_counter() - started
        searcher = next(process for process in platform.info().processes if process.name == "searcher")
        assert searcher.address is not None, "the searcher runs"
        assert searcher.pid is not None, "the searcher runs"
        async with grpc.aio.insecure_channel(searcher.address) as channel:
            engine = SightwireSearcher(task, channel, searcher.pid, build_seconds)
            await engine.wait_until_loaded()
            yield engine


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
