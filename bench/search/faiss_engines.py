"""The limits: FAISS called in this process, and the barest gRPC server around the same index."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import faiss
import grpc.aio
import numpy as np

from bench.search.bare_grpc import EFFORT_BYTES, METHOD
from bench.search.engine import Ask, K, Task
from bench.search.memory import resident_bytes

M: Final = 16
EF_CONSTRUCTION: Final = 128
_ROW_BYTES: Final = 8 * K


class RawFaiss:
    """FAISS's HNSW, in this process and one thread."""

    name = "FAISS, in-process"

    def __init__(self, task: Task) -> None:
        self._task = task
        started = time.perf_counter()
        faiss.omp_set_num_threads(2)
        self.index = faiss.IndexHNSWFlat(task.vectors.shape[1], M, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = EF_CONSTRUCTION
        self.index.add(np.ascontiguousarray(task.vectors))
        faiss.omp_set_num_threads(1)
        self.build_seconds = time.perf_counter() - started

    def asking(self, *, effort: int, percent: int) -> Ask:
        selector, kept = self._selector(percent)
        parameters = faiss.SearchParametersHNSW(efSearch=effort, sel=selector)

        async def ask(number: int) -> Sequence[int]:
            _, rows = self.index.search(self._task.queries[number : number + 1], K, params=parameters)
            # FAISS holds a plain pointer to the selector's bits.
            assert kept is None or len(kept)
            found: list[int] = rows[0].tolist()
            return found

        return ask

    def batch_rate(self, effort: int) -> float:
        """Queries a second when all are handed over at once, one thread."""
        parameters = faiss.SearchParametersHNSW(efSearch=effort)
        queries = np.ascontiguousarray(self._task.queries)
        started = time.perf_counter()
        self.index.search(queries, K, params=parameters)
        return len(queries) / (time.perf_counter() - started)

    def resident_bytes(self) -> int | None:
        return None

    def _selector(self, percent: int) -> tuple[Any, Any]:
        if percent >= 100:
            return None, None
        bits = np.packbits(self._task.buckets < percent, bitorder="little")
        return faiss.IDSelectorBitmap(bits), bits


class BareGrpc:
    """The same index behind the barest gRPC server; unfiltered only."""

    name = "FAISS behind bare gRPC"
    build_seconds = 0.0

    def __init__(self, task: Task, channel: grpc.aio.Channel, process_id: int) -> None:
        self._task = task
        self._call = channel.unary_unary(METHOD, request_serializer=bytes, response_deserializer=bytes)
        self._process_id = process_id

    def asking(self, *, effort: int, percent: int) -> Ask:
        assert percent == 100, "the bare server knows no filters"
        prefix = effort.to_bytes(EFFORT_BYTES, "little")
        requests = [prefix + query.tobytes() for query in self._task.queries]

        async def ask(number: int) -> Sequence[int]:
            answer = await self._call(requests[number])
            found: list[int] = np.frombuffer(answer[:_ROW_BYTES], dtype="<i8").tolist()
            return found

        return ask

    def resident_bytes(self) -> int | None:
        return resident_bytes(self._process_id)


@asynccontextmanager
async def bare_grpc(task: Task, faiss_engine: RawFaiss, folder: Path) -> AsyncIterator[BareGrpc]:
    """Starts the bare server over a copy of the index."""
    path = folder / "index.faiss"
    faiss.write_index(faiss_engine.index, str(path))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.search.bare_grpc", str(path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None, "it is a pipe"
    assert process.stdout is not None, "it is a pipe"
    try:
        port = int(await process.stdout.readline())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield BareGrpc(task, channel, process.pid)
    finally:
        process.stdin.close()
        await process.wait()
