"""A collection larger than memory: what becomes of a searcher that may take only a part of what its index wants.

The index is written and forgotten by the system; then the platform starts on it again, its searcher within a bound.
Files that the searcher maps count, so the bound decides how much of the index stays in memory.
"""

import asyncio
import gc
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio

from bench.command import Benchmark, main
from bench.memory_cage import MemoryCage, NoMemoryCageError, memory_cage
from bench.report import Cell, Table
from bench.running import bus_of, children_of, searcher_of, wait_until_loaded
from bench.search.clients import CoroutineClients
from bench.search.engine import Rate
from bench.search.memory import anonymous_bytes, resident_bytes
from bench.written_index import FIELD, clustered_vectors, write_index
from sightwire.contracts.collections import IndexParameters, IndexType
from sightwire.platform.ports import find_free_port
from sightwire.platform.running_platform import PlatformOptions, RunningPlatform, run_platform
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

DIMENSION = 384
K = 10
_COLLECTION = "large"
_CLUSTERS = 200
_SEARCHER_MODULE = b"sightwire_searcher"
#: Of what the index takes on disk, what the bound leaves beside the process itself.
_SHARES = (0.5, 0.25)
#: Left to the process for what it needs while it loads and answers.
_ROOM_BYTES = 64 << 20
_MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a searcher did within one bound."""

    rate: Rate
    answers: list[Sequence[int]]
    resident: int
    process_bytes: int
    survived: bool


async def measure(quick: bool) -> list[Table]:
    """A table for each kind of index."""
    rows, queries, seconds = (6_000, 50, 0.5) if quick else (150_000, 60, 5.0)
    vectors = clustered_vectors(rows, DIMENSION, clusters=_CLUSTERS, seed=1)
    asked = [query.tobytes() for query in clustered_vectors(queries, DIMENSION, clusters=_CLUSTERS, seed=2)]
    return [
        await _table(vectors, asked, kind, seconds=seconds, shares=_SHARES[:1] if quick else _SHARES)
        for kind in ((IndexType.HNSW,) if quick else (IndexType.HNSW, IndexType.HNSW_SQ))
    ]


async def _table(
    vectors: Any, asked: list[bytes], kind: IndexType, *, seconds: float, shares: Sequence[float]
) -> Table:
    with tempfile.TemporaryDirectory(prefix="sightwire-bench-") as folder:
        data = Path(folder)
        async with _platform(data) as platform, bus_of(platform) as bus:
            await write_index(platform, bus, _COLLECTION, vectors, index=IndexParameters(type=kind))
        gc.collect()
        free = await _outcome(data, asked, None, seconds)
        rows = [_row("no bound", free, free)]
        index_bytes = sum(file.stat().st_size for file in _segment_files(data))
        note = ""
        try:
            for share in shares:
                limit = free.process_bytes + _ROOM_BYTES + round(share * index_bytes)
                label = f"{share:.0%} of the index, {limit // _MEBIBYTE} MiB"
                rows.append(_row(label, await _outcome(data, asked, limit, seconds), free))
        except NoMemoryCageError as error:
            note = f"Nothing was bounded: {error}."
    return Table(
        f"{len(vectors):,} vectors of {vectors.shape[1]}, {kind.value}: {index_bytes // _MEBIBYTE} MiB of index",
        ("memory", "resident MiB", "queries/s", "p50 ms", "p99 ms", "same answers", "died"),
        rows,
        note,
    )


def _row(label: str, outcome: _Outcome, free: _Outcome) -> list[Cell]:
    same = sum(list(one) == list(other) for one, other in zip(outcome.answers, free.answers, strict=True))
    p50, _p90, p99 = outcome.rate.latency.milliseconds()
    return [
        label,
        outcome.resident // _MEBIBYTE,
        outcome.rate.queries_per_second,
        p50,
        p99,
        f"{same / len(free.answers):.0%}",
        "no" if outcome.survived else "yes",
    ]


async def _outcome(data: Path, asked: list[bytes], limit: int | None, seconds: float) -> _Outcome:
    """Starts the platform with its searcher within a bound, and asks."""
    _forget(_segment_files(data))
    with memory_cage(limit) if limit is not None else nullcontext() as cage:
        catching = asyncio.create_task(_catch_searcher(cage)) if cage is not None else None
        async with _platform(data) as platform:
            if catching is not None:
                await catching
            searcher = searcher_of(platform)
            async with grpc.aio.insecure_channel(searcher.address) as channel:
                stub = searcher_pb2_grpc.SearcherStub(channel)
                await wait_until_loaded(stub, _COLLECTION, 1)

                async def ask(number: int) -> Sequence[int]:
                    query = searcher_pb2.FieldQuery(field=FIELD, vector=asked[number])
                    request = searcher_pb2.SearchRequest(
                        collection=_COLLECTION, queries=[query], k=K, omit_documents=True
                    )
                    return [int(hit.item_id) for hit in (await stub.Search(request)).hits]

                clients = CoroutineClients(ask)
                answers = await clients.answers(range(len(asked)))
                rate = await clients.loop(1, queries=len(asked), seconds=seconds)
            return _Outcome(
                rate,
                answers,
                resident_bytes(searcher.process_id),
                anonymous_bytes(searcher.process_id),
                survived=searcher_of(platform).process_id == searcher.process_id,
            )


async def _catch_searcher(cage: MemoryCage) -> None:
    """Puts the searcher in as soon as it starts, long before it reads a segment."""
    # Nobody tells of a process that starts.
    while (searcher := _searcher()) is None:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    cage.put_in(searcher)


def _searcher() -> int | None:
    """The searcher that this process has started."""
    for process_id in children_of(os.getpid()):
        # One that ended meanwhile has no command line any more.
        with suppress(OSError):
            if _SEARCHER_MODULE in Path(f"/proc/{process_id}/cmdline").read_bytes():
                return process_id
    return None


@asynccontextmanager
async def _platform(data: Path) -> AsyncIterator[RunningPlatform]:
    async with run_platform(PlatformOptions(data_directory=data, port=find_free_port())) as platform:
        yield platform


def _segment_files(data: Path) -> list[Path]:
    return [file for file in data.glob("blobs/indexes/*/segments/**/*") if file.is_file()]


def _forget(files: Sequence[Path]) -> None:
    """Lets the system drop what it holds of files that nobody has mapped: else it counts for who read it first."""
    for file in files:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


BENCHMARK = Benchmark("small_memory", measure)

if __name__ == "__main__":
    main(BENCHMARK)
