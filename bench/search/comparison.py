"""Queries a second at the same recall: FAISS in this process, the barest server around it, Sightwire.

`python -m bench.search.comparison`. Each engine first finds the smallest effort that reaches recall@10 of 0.95 over all
queries; then closed loops of 1 and of 16 clients. The engines take turns in short rounds, and a row is the median of
its rounds, so that whatever else the machine does meets all of them alike.
"""

import statistics
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from bench.command import Benchmark, main
from bench.report import Percentiles, Table
from bench.search.closed_loop import Rate, closed_loop, effort_for_recall
from bench.search.engine import Ask, Engine, Task, Truth
from bench.search.faiss_engines import RawFaiss, bare_grpc
from bench.search.sightwire_engine import sightwire_searcher
from bench.wordnet import read_corpus, read_questions
from bench.written_index import clustered_vectors

_CLIENTS: Final = (1, 16)
_PERCENTS: Final = (100, 10, 1)


async def measure(quick: bool) -> list[Table]:
    """A table for each selectivity, and what building took."""
    task = _small_task() if quick else _wordnet_task()
    rounds, seconds = (1, 0.5) if quick else (3, 4.0)
    truth = Truth(task)
    async with AsyncExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="sightwire-bench-")))
        raw = RawFaiss(task)
        bare = await resources.enter_async_context(bare_grpc(task, raw, folder))
        sightwire = await resources.enter_async_context(sightwire_searcher(task))
        everybody: list[Engine] = [raw, bare, sightwire]
        filtering: list[Engine] = [raw, sightwire]
        tables = []
        for percent in _PERCENTS:
            engines = everybody if percent == 100 else filtering
            tables.append(await _compare(engines, truth, percent, rounds=rounds, seconds=seconds))
        tables.append(_building(everybody, task))
    return tables


def _small_task() -> Task:
    vectors = clustered_vectors(6_000, 64, clusters=50, seed=1)
    return Task.of("clustered", vectors, clustered_vectors(50, 64, clusters=50, seed=2))


def _wordnet_task() -> Task:
    corpus = read_corpus()
    return Task.of("WordNet definitions", corpus.vectors, read_questions(corpus.synsets, 1_000).vectors)


async def _compare(engines: Sequence[Engine], truth: Truth, percent: int, *, rounds: int, seconds: float) -> Table:
    efforts = {engine.name: await effort_for_recall(engine, truth, percent) for engine in engines}
    asks = {engine.name: engine.asking(effort=efforts[engine.name][0], percent=percent) for engine in engines}
    rates = await _rates(asks, len(truth.task.queries), rounds=rounds, seconds=seconds)
    task = truth.task
    return Table(
        title=f"{len(task.vectors):,} vectors of {task.vectors.shape[1]} ({task.name}), {percent}% may be found",
        columns=("engine", "effort", "recall@10", "clients", "queries/s", "ratio to FAISS", "p50 ms", "p99 ms"),
        rows=[
            (name, efforts[name][0], efforts[name][1], clients, rate, rate / rates[RawFaiss.name, clients][0], p50, p99)
            for (name, clients), (rate, p50, p99) in rates.items()
        ],
    )


async def _rates(
    asks: dict[str, Ask], queries: int, *, rounds: int, seconds: float
) -> dict[tuple[str, int], tuple[float, float, float]]:
    """Median queries a second, p50 and p99 in milliseconds, by engine and number of clients."""
    seen: dict[tuple[str, int], list[Rate]] = {(name, clients): [] for clients in _CLIENTS for name in asks}
    for _ in range(rounds):
        for (name, clients), measured in seen.items():
            measured.append(await closed_loop(asks[name], clients=clients, queries=queries, seconds=seconds))
    return {
        key: (
            statistics.median(rate.queries_per_second for rate in measured),
            *_milliseconds([rate.latency for rate in measured]),
        )
        for key, measured in seen.items()
    }


def _milliseconds(latencies: Sequence[Percentiles]) -> tuple[float, float]:
    p50 = statistics.median(latency.p50 for latency in latencies)
    return p50 * 1e3, statistics.median(latency.p99 for latency in latencies) * 1e3


def _building(engines: Sequence[Engine], task: Task) -> Table:
    vector_bytes = task.vectors.nbytes
    return Table(
        title="Building, and memory of the process that answers",
        columns=("engine", "build s", "resident MB", "of the vectors' bytes"),
        rows=[
            (engine.name, engine.build_seconds, resident / 1e6, resident / vector_bytes)
            for engine in engines
            if (resident := engine.resident_bytes()) is not None
        ],
        note="The bare server's index is FAISS's; its build is that of FAISS.",
    )


BENCHMARK = Benchmark("search.comparison", measure)

if __name__ == "__main__":
    main(BENCHMARK)
