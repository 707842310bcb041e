"""LanceDB in this process, on disk, through its asynchronous interface; its engine has threads of its own."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import lancedb
import pyarrow as pa
from lancedb.index import Bitmap, HnswFlat

from bench.search.clients import CoroutineClients
from bench.search.memory import own_resident_bytes
from bench.search.task import BUCKETS, EF_CONSTRUCTION, K, M, Matrix, Rows, Task

_BUCKET: Final = "bucket"
_VECTOR: Final = "vector"
_ROW: Final = "row"
_SCORE: Final = "_distance"


class LanceTable:
    """One table with one HNSW graph over whole vectors; queries ask for row and score."""

    def __init__(self, task: Task, table: Any, build_seconds: float) -> None:
        self._queries = task.queries
        self._size = len(task.vectors)
        self._table = table
        self.build_seconds = build_seconds

    async def asking(self, *, effort: int, percent: int) -> CoroutineClients:
        async def ask(number: int) -> Sequence[int]:
            query = self._table.query().nearest_to(self._queries[number]).distance_type("dot").limit(K)
            query = query.ef(effort).select([_ROW, _SCORE])
            if percent < BUCKETS:
                query = query.where(f"{_BUCKET} < {percent}")
            found: list[int] = (await query.to_arrow())[_ROW].to_pylist()
            return found

        return CoroutineClients(ask)

    async def insert(self, vectors: Matrix, buckets: Rows) -> None:
        await self._table.add(_arrow(vectors, buckets, first=self._size))
        self._size += len(vectors)

    def resident_bytes(self) -> int:
        return own_resident_bytes()


@asynccontextmanager
async def lancedb_table(task: Task, folder: Path) -> AsyncIterator[LanceTable]:
    """Builds the table and its indexes in this process."""
    connection = await lancedb.connect_async(folder)
    started = time.perf_counter()
    table = await connection.create_table("compared", _arrow(task.vectors, task.buckets, first=0))
    graph = HnswFlat(distance_type="dot", num_partitions=1, m=M, ef_construction=EF_CONSTRUCTION)
    await table.create_index(_VECTOR, config=graph)
    await table.create_index(_BUCKET, config=Bitmap())
    yield LanceTable(task, table, time.perf_counter() - started)


def _arrow(vectors: Matrix, buckets: Rows, *, first: int) -> pa.Table:
    flat = pa.array(vectors.reshape(-1))
    return pa.table(
        {
            _ROW: pa.array(range(first, first + len(vectors)), pa.int64()),
            _BUCKET: pa.array(buckets),
            _VECTOR: pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        }
    )
