"""Qdrant's engine as a library in this process, on disk: `qdrant-edge-py`. Its server is not to be had as a package."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeShard,
    EdgeVectorParams,
    FieldCondition,
    Filter,
    HnswIndexConfig,
    PayloadSchemaType,
    Point,
    Query,
    QueryRequest,
    RangeFloat,
    SearchParams,
    UpdateOperation,
)

from bench.search.clients import ThreadClients
from bench.search.memory import own_resident_bytes
from bench.search.task import BUCKETS, EF_CONSTRUCTION, K, M, Matrix, Rows, Task

_BATCH: Final = 1_000
_BUCKET: Final = "bucket"
#: Kilobytes of vectors below which a filtered search compares all survivors; Qdrant's default.
_FULL_SCAN_KILOBYTES: Final = 10_000


class QdrantEdge:
    """One shard, optimised into as few segments as its optimiser wants; queries ask for ids and scores."""

    def __init__(self, task: Task, folder: Path) -> None:
        self._queries = task.queries
        self._size = 0
        graph = HnswIndexConfig(m=M, ef_construct=EF_CONSTRUCTION, full_scan_threshold=_FULL_SCAN_KILOBYTES)
        config = EdgeConfig(
            vectors=EdgeVectorParams(size=task.vectors.shape[1], distance=Distance.Dot, hnsw_config=graph),
            optimizers=EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1_000),
        )
        started = time.perf_counter()
        self._shard = EdgeShard.create(str(folder / "shard"), config)
        self._shard.update(UpdateOperation.create_field_index(_BUCKET, PayloadSchemaType.Integer))
        self._add(task.vectors, task.buckets)
        self._shard.optimize()
        self.build_seconds = time.perf_counter() - started

    async def asking(self, *, effort: int, percent: int) -> ThreadClients:
        condition = FieldCondition(_BUCKET, range=RangeFloat(lt=percent))
        selected = None if percent >= BUCKETS else Filter(must=[condition])
        requests = [
            QueryRequest(
                limit=K, query=Query.Nearest(query.tolist()), filter=selected, params=SearchParams(hnsw_ef=effort)
            )
            for query in self._queries
        ]

        def call(number: int) -> Sequence[int]:
            return [point.id for point in self._shard.query(requests[number])]

        return ThreadClients(call)

    async def insert(self, vectors: Matrix, buckets: Rows) -> None:
        self._add(vectors, buckets)

    def resident_bytes(self) -> int:
        return own_resident_bytes()

    def close(self) -> None:
        """Ends the shard's threads."""
        self._shard.close()

    def _add(self, vectors: Matrix, buckets: Rows) -> None:
        for start in range(0, len(vectors), _BATCH):
            part = zip(vectors[start : start + _BATCH].tolist(), buckets[start : start + _BATCH].tolist(), strict=True)
            points = [
                Point(self._size + number, vector, {_BUCKET: bucket}) for number, (vector, bucket) in enumerate(part)
            ]
            self._shard.update(UpdateOperation.upsert_points(points))
            self._size += len(points)


@asynccontextmanager
async def qdrant_edge(task: Task, folder: Path) -> AsyncIterator[QdrantEdge]:
    """Builds the shard in this process."""
    engine = QdrantEdge(task, folder)
    try:
        yield engine
    finally:
        engine.close()
