"""Items stream in for a minute while queries run: what the platform takes, and how long queries take meanwhile.

Two thousand vectors a second are sent on schedule through the gateway, and fifty queries a second go to the searcher,
on a schedule of their own. When the stream ends, the segments that were indexed in a hurry get their graphs; queries go
on until that is over, and some seconds more.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc.aio
import httpx
import numpy as np

from bench.command import Benchmark, main
from bench.merging_load import Watch, send_steadily, watching
from bench.report import Percentiles, Table
from bench.running import (
    PROCESSES_AND_BENCHMARK,
    CpuSeconds,
    bus_of,
    cpu_seconds_of_children,
    platform_without_demo,
    searcher_of,
    wait_until_loaded,
)
from bench.search.sending import item_batches
from bench.steady_queries import Answers, Schedule, asking_steadily
from bench.written_index import BUCKET, FIELD, clustered_vectors
from sightwire.platform.running_platform import RunningPlatform
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

DIMENSION = 384
K = 10
_COLLECTION = "stream"
_CLUSTERS = 200
_QUERIES = 500
#: Longer than the indexer waits before it takes a stream for quiet.
_SETTLED_SECONDS = 15.0
_MERGE_DEADLINE_SECONDS = 400.0


@dataclass(frozen=True, slots=True)
class _Size:
    items: int
    items_per_second: int
    queries_per_second: int


@dataclass(frozen=True, slots=True)
class _Stream:
    """What became of the stream; times on the clock of `time.perf_counter`, seconds."""

    started: float
    acknowledged_seconds: float
    searchable_seconds: float
    cpu_seconds: dict[str, float]
    #: Of `cpu_seconds`, in the indexer's processes that merge.
    merge_cpu_seconds: float

    @property
    def ended(self) -> float:
        return self.started + self.searchable_seconds

    def has(self, moment: float) -> bool:
        """Whether items were streaming in at a moment."""
        return self.started <= moment < self.ended


async def measure(quick: bool) -> list[Table]:
    """Tables of rates, latencies and CPU time."""
    return await _measure(_Size(6_000, 2_000, 20) if quick else _Size(120_000, 2_000, 50))


async def _measure(size: _Size) -> list[Table]:
    vectors = clustered_vectors(size.items, DIMENSION, clusters=_CLUSTERS, seed=1)
    bodies = item_batches(vectors, np.zeros(size.items, dtype=np.int64), first=0)
    async with (
        platform_without_demo() as platform,
        httpx.AsyncClient(base_url=platform.gateway_url, timeout=120) as http,
        grpc.aio.insecure_channel(address := searcher_of(platform).address) as channel,
        bus_of(platform) as bus,
    ):
        fields = {FIELD: {"source": "user", "dimension": DIMENSION}}
        metadata = {BUCKET: {"type": "integer"}}
        collection = {"name": _COLLECTION, "fields": fields, "metadata": metadata}
        (await http.post("/v1/collections", json=collection)).raise_for_status()
        stub = searcher_pb2_grpc.SearcherStub(channel)
        await wait_until_loaded(stub, _COLLECTION, 0)
        indexer_url = next(each.operations_url for each in platform.info().processes if each.name == "indexer")
        assert indexer_url is not None, "the indexer has a page of metrics"
        merge_cpu_before = _merge_cpu_seconds(platform)
        async with (
            watching(bus, _COLLECTION, indexer_url) as watch,
            asking_steadily(Schedule(address, _requests(), size.queries_per_second)) as answers,
        ):
            stream = await _stream(platform, http, stub, bodies, size)
            await _wait_until_quiet(watch, stream)
            merge_cpu_seconds = _merge_cpu_seconds(platform) - merge_cpu_before
    return [
        _stream_table(size, stream, watch),
        _latency_table(answers, watch, stream),
        _cpu_table(size, stream, merge_cpu_seconds, answers),
    ]


def _requests() -> list[searcher_pb2.SearchRequest]:
    vectors = clustered_vectors(_QUERIES, DIMENSION, clusters=_CLUSTERS, seed=2)
    queries = [searcher_pb2.FieldQuery(field=FIELD, vector=vector.tobytes()) for vector in vectors]
    return [searcher_pb2.SearchRequest(collection=_COLLECTION, queries=[query], k=K) for query in queries]


async def _stream(
    platform: RunningPlatform,
    http: httpx.AsyncClient,
    stub: "searcher_pb2_grpc.SearcherAsyncStub",
    bodies: list[bytes],
    size: _Size,
) -> _Stream:
    cpu_before, merge_cpu_before = CpuSeconds.now(platform), _merge_cpu_seconds(platform)
    started = time.perf_counter()
    batches_per_second = size.items_per_second * len(bodies) / size.items
    acknowledged = await send_steadily(http, _COLLECTION, bodies, batches_per_second=batches_per_second)
    await wait_until_loaded(stub, _COLLECTION, size.items)
    searchable = time.perf_counter() - started
    return _Stream(
        started,
        acknowledged,
        searchable,
        CpuSeconds.now(platform).since(cpu_before),
        _merge_cpu_seconds(platform) - merge_cpu_before,
    )


async def _wait_until_quiet(watch: Watch, stream: _Stream) -> None:
    """Returns when no merge has run for some seconds, nor will one; or when that takes too long on busy cores."""

    def is_settled() -> bool:
        # Some short merges of the stream are over before anybody looks.
        since = watch.quiet_since
        return since is not None and time.perf_counter() - max(since, stream.ended) >= _SETTLED_SECONDS

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_MERGE_DEADLINE_SECONDS):
            # As an operator would see it, by looking.
            while not is_settled():  # noqa: ASYNC110
                await asyncio.sleep(0.25)


def _merge_cpu_seconds(platform: RunningPlatform) -> float:
    process_id = platform.process("indexer").process_id
    assert process_id is not None, "the indexer runs"
    return cpu_seconds_of_children(process_id)


def _stream_table(size: _Size, stream: _Stream, watch: Watch) -> Table:
    return Table(
        title=f"{size.items:,} vectors of {DIMENSION} at {size.items_per_second:,} a second",
        columns=("acknowledged items/s", "searchable items/s", "most segments", "segments in the end"),
        rows=[
            (
                size.items / stream.acknowledged_seconds,
                size.items / stream.searchable_seconds,
                max(watch.segments),
                watch.segments[-1],
            )
        ],
        note="From the first request to the last acknowledgement, and until the searcher answered from all of them.",
    )


def _latency_table(answers: Answers, watch: Watch, stream: _Stream) -> Table:
    phases: list[tuple[str, Callable[[float], bool]]] = [
        ("items stream in, no merge runs", lambda sent: stream.has(sent) and not watch.lanes_at(sent)),
        ("items stream in, a merge runs", lambda sent: stream.has(sent) and bool(watch.lanes_at(sent))),
        ("large graphs are built", lambda sent: "long" in watch.lanes_at(sent) and not stream.has(sent)),
        ("at rest", lambda sent: not watch.lanes_at(sent) and sent >= stream.ended),
    ]
    rows: list[tuple[str | float, ...]] = []
    for name, belongs in phases:
        seconds = answers.seconds_where(belongs)
        if seconds:
            rows.append((name, len(seconds), *Percentiles.of(seconds).milliseconds()))
    return Table(
        title=f"Queries meanwhile, k = {K}, through gRPC, in milliseconds",
        columns=("while", "queries", "p50", "p90", "p99"),
        rows=rows,
        note="At rest: no merge runs, before the graphs are built and after. Aim: p99 while a merge runs under twice "
        "that of the same without one. Merges are looked for four times a second, so that some short ones are missed.",
    )


def _cpu_table(size: _Size, stream: _Stream, merge_cpu_seconds: float, answers: Answers) -> Table:
    def per_item(seconds: float) -> float:
        return seconds / size.items * 1e6

    services = {name: per_item(stream.cpu_seconds[name]) for name in PROCESSES_AND_BENCHMARK}
    merges = per_item(stream.merge_cpu_seconds)
    services["indexer"] -= merges
    asking = per_item(answers.cpu_seconds_where(stream.has))
    return Table(
        title="CPU time for each item, in microseconds",
        columns=(
            *PROCESSES_AND_BENCHMARK,
            "queries",
            "merges in the stream",
            "merges until quiet",
            "sum in the stream",
        ),
        rows=[
            (*services.values(), asking, merges, per_item(merge_cpu_seconds), sum(services.values()) + asking + merges)
        ],
        note="Of the stream alone, except for `merges until quiet`, which include the graphs. `queries` is the process "
        "that asks, `searcher` includes answering; `indexer` has no merges in it.",
    )


BENCHMARK = Benchmark("merging", measure)

if __name__ == "__main__":
    main(BENCHMARK)
