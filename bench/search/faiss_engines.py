"""The limits: FAISS called in this process, and the barest gRPC server around the same index."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import faiss
import grpc
import numpy as np

from bench.search.bare_grpc import EFFORT_BYTES, METHOD
from bench.search.clients import Call, GrpcClients, ThreadClients
from bench.search.memory import own_resident_bytes, resident_bytes
from bench.search.task import BUCKETS, EF_CONSTRUCTION, K, M, Matrix, Rows, Task

_ROW_BYTES: Final = 8 * K
_CORES: Final = os.cpu_count() or 1


class _FaissClients(ThreadClients):
    """Hands over whole batches where others need many clients."""

    def __init__(self, index: Any, parameters: Any, queries: Matrix, kept: object) -> None:
        self._index = index
        self._parameters = parameters
        self._queries = queries
        # FAISS holds a plain pointer to the selector's bits.
        self._kept = kept
        super().__init__(self._find)

    async def flood(self, *, queries: int, seconds: float) -> float:
        batch = np.ascontiguousarray(self._queries[:queries])
        faiss.omp_set_num_threads(_CORES)
        started = time.perf_counter()
        answered = 0
        while time.perf_counter() < started + seconds:
            self._index.search(batch, K, params=self._parameters)
            answered += len(batch)
        elapsed = time.perf_counter() - started
        faiss.omp_set_num_threads(1)
        return answered / elapsed

    def _find(self, number: int) -> Sequence[int]:
        _, rows = self._index.search(self._queries[number : number + 1], K, params=self._parameters)
        found: list[int] = rows[0].tolist()
        return found


class RawFaiss:
    """FAISS's HNSW, in this process: one thread for each client, of which FAISS uses no more."""

    def __init__(self, task: Task) -> None:
        self._queries = task.queries
        self._buckets = task.buckets
        started = time.perf_counter()
        self.index = faiss.IndexHNSWFlat(task.vectors.shape[1], M, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = EF_CONSTRUCTION
        self._add(task.vectors)
        self.build_seconds = time.perf_counter() - started

    async def asking(self, *, effort: int, percent: int) -> ThreadClients:
        if percent >= BUCKETS:
            return _FaissClients(self.index, faiss.SearchParametersHNSW(efSearch=effort), self._queries, None)
        bits = np.packbits(self._buckets < percent, bitorder="little")
        parameters = faiss.SearchParametersHNSW(efSearch=effort, sel=faiss.IDSelectorBitmap(bits))
        return _FaissClients(self.index, parameters, self._queries, bits)

    async def insert(self, vectors: Matrix, buckets: Rows) -> None:
        self._add(vectors)
        self._buckets = np.concatenate([self._buckets, buckets])

    def resident_bytes(self) -> int:
        return own_resident_bytes()

    def _add(self, vectors: Matrix) -> None:
        faiss.omp_set_num_threads(_CORES)
        self.index.add(np.ascontiguousarray(vectors))
        faiss.omp_set_num_threads(1)


class BareGrpc:
    """The same index behind the barest gRPC server; unfiltered and read-only."""

    build_seconds = 0.0

    def __init__(self, task: Task, address: str, process_id: int) -> None:
        self._queries = task.queries
        self._address = address
        self._process_id = process_id

    async def asking(self, *, effort: int, percent: int) -> GrpcClients:
        assert percent == BUCKETS, "the bare server knows no filters"
        prefix = effort.to_bytes(EFFORT_BYTES, "little")
        requests = [prefix + query.tobytes() for query in self._queries]

        def connect(channel: grpc.Channel) -> Call:
            search = channel.unary_unary(METHOD, request_serializer=bytes, response_deserializer=bytes)

            def call(number: int) -> Sequence[int]:
                answer = search(requests[number])
                found: list[int] = np.frombuffer(answer[:_ROW_BYTES], dtype="<i8").tolist()
                return found

            return call

        return GrpcClients([self._address], connect)

    def resident_bytes(self) -> int:
        return resident_bytes(self._process_id)


@asynccontextmanager
async def raw_faiss(task: Task, _folder: Path) -> AsyncIterator[RawFaiss]:
    """Builds FAISS's index in this process."""
    yield RawFaiss(task)


@asynccontextmanager
async def bare_grpc(task: Task, folder: Path) -> AsyncIterator[BareGrpc]:
    """Builds the index and starts the bare server over a copy of it."""
    path = folder / "index.faiss"
    faiss.write_index(RawFaiss(task).index, str(path))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.search.bare_grpc", str(path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None, "it is a pipe"
    assert process.stdout is not None, "it is a pipe"
    try:
        port = int(await process.stdout.readline())
        yield BareGrpc(task, f"127.0.0.1:{port}", process.pid)
    finally:
        process.stdin.close()
        await process.wait()
