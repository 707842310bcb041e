"""What keeping the index merged costs for each item: everything is sent at once, then watched until nothing merges."""

import asyncio
import time
from typing import Any, Final

import grpc.aio
import numpy as np

from bench.running import cpu_seconds_of_children, platform_without_demo, searcher_of, wait_until_loaded
from bench.search.results import Machine, MergeCost
from bench.search.sending import item_batches, post_items
from bench.search.task import Matrix
from bench.written_index import BUCKET, FIELD
from sightwire.client import AsyncSightwire
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

_COLLECTION: Final = "merged"
#: Items whose requests are in memory at a time.
_CHUNK: Final = 20_000
#: Merges are over when neither their processes nor the segments have changed for so long; longer than the indexer waits
#: until it takes a stream for quiet and builds the graphs.
_SETTLED_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.5
_DEADLINE_SECONDS: Final = 3_600.0


async def measure_merges(vectors: Matrix) -> MergeCost:
    """Sends all vectors into a platform and adds up the CPU time of the processes that merge."""
    before = Machine.now()
    async with platform_without_demo() as platform:
        async with AsyncSightwire(platform.gateway_url) as client:
            await client.collections.create(
                _COLLECTION,
                fields={FIELD: {"source": "user", "dimension": vectors.shape[1]}},
                metadata={BUCKET: {"type": "integer"}},
            )
        indexer = platform.process("indexer").process_id
        assert indexer is not None, "the indexer runs"
        cpu_before = cpu_seconds_of_children(indexer)
        started = time.perf_counter()
        buckets = np.zeros(len(vectors), dtype=np.int64)
        for first in range(0, len(vectors), _CHUNK):
            part = slice(first, first + _CHUNK)
            await post_items(platform.gateway_url, _COLLECTION, item_batches(vectors[part], buckets[part], first=first))
        async with grpc.aio.insecure_channel(searcher_of(platform).address) as channel:
            stub = searcher_pb2_grpc.SearcherStub(channel)
            await wait_until_loaded(stub, _COLLECTION, len(vectors))
            settled, cpu_seconds, segments = await _settled(stub, indexer)
    return MergeCost(
        items=len(vectors),
        merge_cpu_seconds=cpu_seconds - cpu_before,
        seconds=settled - started,
        segments=segments,
        before=before,
    )


async def _settled(stub: Any, indexer: int) -> tuple[float, float, int]:
    """When the last merge was seen to end (clock of `time.perf_counter`), the merges' CPU seconds, and the segments."""
    request = searcher_pb2.DescribeCollectionRequest(collection=_COLLECTION)
    async with asyncio.timeout(_DEADLINE_SECONDS):
        seen, since = None, time.perf_counter()
        while time.perf_counter() - since < _SETTLED_SECONDS:
            await asyncio.sleep(_POLL_SECONDS)
            state = (cpu_seconds_of_children(indexer), (await stub.DescribeCollection(request)).segments)
            if state != seen:
                seen, since = state, time.perf_counter()
        assert seen is not None, "looked at least once"
        return since, *seen
