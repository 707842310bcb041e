"""Milvus Lite in this process, on disk: `milvus_lite.MilvusLite`, without the gRPC server that its client starts."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from milvus_lite import CollectionSchema, DataType, FieldSchema, MilvusLite

from bench.search.clients import ThreadClients
from bench.search.memory import own_resident_bytes
from bench.search.task import BUCKETS, EF_CONSTRUCTION, K, M, Matrix, Rows, Task

_BATCH: Final = 5_000
_BUCKET: Final = "bucket"
_VECTOR: Final = "vector"
_ROW: Final = "row"


class MilvusLiteCollection:
    """One collection, flushed and loaded; queries ask for ids and distances."""

    def __init__(self, task: Task, database: Any) -> None:
        self._queries = task.queries.tolist()
        self._size = 0
        fields = [
            FieldSchema(name=_ROW, dtype=DataType.INT64, is_primary=True),
            FieldSchema(name=_VECTOR, dtype=DataType.FLOAT_VECTOR, dim=task.vectors.shape[1]),
            FieldSchema(name=_BUCKET, dtype=DataType.INT64),
        ]
        started = time.perf_counter()
        self._collection = database.create_collection("compared", CollectionSchema(fields=fields))
        self._add(task.vectors, task.buckets)
        self._collection.flush()
        graph = {"M": M, "efConstruction": EF_CONSTRUCTION}
        self._collection.create_index(_VECTOR, {"index_type": "HNSW", "metric_type": "IP", "params": graph})
        self._collection.create_index(_BUCKET, {"index_type": "INVERTED"})
        self._collection.load()
        self.build_seconds = time.perf_counter() - started

    async def asking(self, *, effort: int, percent: int) -> ThreadClients:
        expression = None if percent >= BUCKETS else f"{_BUCKET} < {percent}"

        def call(number: int) -> Sequence[int]:
            (found,) = self._collection.search(
                [self._queries[number]],
                top_k=K,
                metric_type="IP",
                expr=expression,
                output_fields=[],
                search_params={"ef": effort},
            )
            return [hit["id"] for hit in found]

        return ThreadClients(call)

    async def insert(self, vectors: Matrix, buckets: Rows) -> None:
        self._add(vectors, buckets)

    def resident_bytes(self) -> int:
        return own_resident_bytes()

    def _add(self, vectors: Matrix, buckets: Rows) -> None:
        for start in range(0, len(vectors), _BATCH):
            part = zip(vectors[start : start + _BATCH].tolist(), buckets[start : start + _BATCH].tolist(), strict=True)
            rows = [
                {_ROW: self._size + number, _VECTOR: vector, _BUCKET: bucket}
                for number, (vector, bucket) in enumerate(part)
            ]
            self._collection.insert(rows)
            self._size += len(rows)


@asynccontextmanager
async def milvus_lite(task: Task, folder: Path) -> AsyncIterator[MilvusLiteCollection]:
    """Builds the collection in this process."""
    with MilvusLite(str(folder / "data")) as database:
        yield MilvusLiteCollection(task, database)
