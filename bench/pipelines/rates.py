"""Empty tasks a second, what they cost, the overhead of one, and a graph of 200, against a bare work queue.

Everything is real: an orchestrator with SQLite, worker processes, a bus that flushes each message. The bare queue has
the same bus and as many workers, and neither state nor retries. Measured by turns, so that what else the machine did in
a round is in both.
"""

import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench.command import Benchmark
from bench.pipelines.bare_queue import BareQueue
from bench.pipelines.definitions import chain, mapped, random_graph
from bench.pipelines.processes import ControlPlane, CpuSeconds, control_plane
from bench.report import Percentiles, Table
from sightwire.contracts.pipeline_control import RunReport, StartRun

_GRAPH_WORKERS = 4
_BARE_WORKER = "bench.pipelines.bare_worker_process"


@dataclass(frozen=True, slots=True)
class _Size:
    """How much is measured."""

    rounds: int
    workers: tuple[int, ...]
    runs: int
    elements: int
    at_once: int
    chain: int
    graph: int


_FULL = _Size(rounds=3, workers=(1, 2, 4), runs=8, elements=250, at_once=32, chain=200, graph=200)
_QUICK = _Size(rounds=1, workers=(2,), runs=2, elements=20, at_once=8, chain=10, graph=20)


async def measure(quick: bool) -> list[Table]:
    """Four tables: rates by workers, what a task costs, overhead at one in flight, a graph."""
    size = _QUICK if quick else _FULL
    with tempfile.TemporaryDirectory(prefix="sightwire-bench-") as folder:
        async with control_plane(Path(folder)) as plane:
            queue = BareQueue(plane.bus)
            async with queue.open():
                rates = [await _rate(plane, queue, size, workers) for workers in size.workers]
                overhead = await _overhead_row(plane, queue, size)
                graph = await _graph_row(plane, size)
    return [
        Table(
            title="Empty tasks, per second",
            columns=("worker processes", "pipelines", "bare work queue", "ratio"),
            rows=[rate.row for rate in rates],
            note=f"{size.runs} runs at once, each of {size.elements} elements with {size.at_once} at once. "
            "Aim: 500 with 4 workers.",
        ),
        Table(
            title="CPU of an empty task, milliseconds",
            columns=("worker processes", "orchestrator", "workers", "bus"),
            rows=[rate.cpu_row for rate in rates],
            note="In the same runs. Unlike rates it hardly depends on what else the machine does.",
        ),
        Table(
            title="Overhead of an empty task, one on its way at a time, milliseconds",
            columns=("mean", "p50", "p99", "bare work queue, mean"),
            rows=[overhead],
            note=f"A chain of {size.chain}, from one start to the next. Aim: less than 15.",
        ),
        Table(
            title="A random graph of empty tasks",
            columns=("tasks", "seconds", "tasks a second"),
            rows=[graph],
            note=f"32 at once, {_GRAPH_WORKERS} workers.",
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Measured:
    """One round."""

    per_second: float
    bare_per_second: float
    cpu: CpuSeconds


@dataclass(frozen=True, slots=True)
class _Rate:
    """What was measured with so many workers."""

    workers: int
    tasks: int
    rounds: list[_Measured]

    @property
    def row(self) -> list[str | int | float]:
        return [
            self.workers,
            statistics.median(one.per_second for one in self.rounds),
            statistics.median(one.bare_per_second for one in self.rounds),
            statistics.median(one.per_second / one.bare_per_second for one in self.rounds),
        ]

    @property
    def cpu_row(self) -> list[str | int | float]:
        used = [[one.cpu.orchestrator, one.cpu.workers, one.cpu.bus] for one in self.rounds]
        return [self.workers, *(1000 * statistics.median(seconds) / self.tasks for seconds in zip(*used, strict=True))]


async def _rate(plane: ControlPlane, queue: BareQueue, size: _Size, workers: int) -> _Rate:
    rounds = []
    tasks = size.runs * size.elements
    async with _both_kinds_of_workers(plane, queue, workers):
        for _ in range(size.rounds):
            before = plane.cpu_seconds()
            seconds = await _seconds(plane, size)
            cpu = plane.cpu_seconds().since(before)
            bare = await queue.rate(tasks, size.runs * size.at_once)
            rounds.append(_Measured(tasks / seconds, bare, cpu))
    return _Rate(workers, tasks, rounds)


async def _seconds(plane: ControlPlane, size: _Size) -> float:
    """From the start of the first run to the end of the last, by the orchestrator's clock."""
    pipeline = await plane.submit(mapped(size.elements, size.at_once))
    runs = [(await plane.client.start(StartRun(pipeline=pipeline))).run for _ in range(size.runs)]
    reports = await plane.ended(runs)
    ends = [report.ended_at for report in reports if report.ended_at is not None]
    return (max(ends) - min(report.started_at for report in reports)).total_seconds()


async def _overhead_row(plane: ControlPlane, queue: BareQueue, size: _Size) -> list[str | int | float]:
    pipeline = await plane.submit(chain(size.chain))
    steps: list[float] = []
    bare: list[float] = []
    async with _both_kinds_of_workers(plane, queue, 1):
        for _ in range(size.rounds):
            steps += _steps(await plane.run(pipeline))
            bare.append(1000 / await queue.rate(size.chain, 1))
    percentiles = Percentiles.of(steps)
    return [1000 * statistics.mean(steps), 1000 * percentiles.p50, 1000 * percentiles.p99, statistics.median(bare)]


def _steps(report: RunReport) -> list[float]:
    starts = [task.started_at for task in report.tasks if task.started_at is not None]
    return [(after - before).total_seconds() for before, after in pairwise(starts)]


async def _graph_row(plane: ControlPlane, size: _Size) -> list[str | int | float]:
    seconds = []
    async with plane.workers(_GRAPH_WORKERS):
        await _warm_up(plane, _GRAPH_WORKERS)
        for seed in range(size.rounds):
            report = await plane.run(await plane.submit(random_graph(size.graph, seed=seed)))
            assert report.ended_at is not None, "it has ended"
            seconds.append((report.ended_at - report.started_at).total_seconds())
    median = statistics.median(seconds)
    return [size.graph, median, size.graph / median]


async def _warm_up(plane: ControlPlane, workers: int) -> None:
    """Returns when workers are there, so that their start is not measured."""
    await plane.run(await plane.submit(mapped(8 * workers, workers)))


@asynccontextmanager
async def _both_kinds_of_workers(plane: ControlPlane, queue: BareQueue, workers: int) -> AsyncIterator[None]:
    async with plane.workers(workers), plane.workers(workers, _BARE_WORKER):
        await _warm_up(plane, workers)
        await queue.rate(8 * workers, workers)
        yield


BENCHMARK = Benchmark("pipelines", measure)
