"""Measures one engine, in a process of its own: `python -m bench.search.measuring ENGINE TASK RESULT [--quick]`.

An engine that is a library lives in this process, whose memory is then the engine's; a server is started from here, and
asked from here. Peers run with the interpreter of their own virtual environment.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.search.catalogue import ENGINES, EngineEntry
from bench.search.engine import Clients, Engine, Rate, TakesInserts
from bench.search.engine_process import TURN
from bench.search.results import EngineResult, LoopResult, Machine
from bench.search.task import PERCENTS, Rows, Task, recall

#: Efforts that are tried until the recall is reached: fine steps, so that no engine does much more than it has to.
EFFORTS: Final = (
    *(10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512),
    *(640, 768, 896, 1024, 1280, 1536, 2048, 3072, 4096),
)
RECALL: Final = 0.95
_WARM_UP_EFFORT: Final = 64
#: Queries that efforts are tried with.
_SAMPLE: Final = 100
#: The effort that suffices for them is then tried with as many as can be answered in so long, mostly all.
_CHECK_SECONDS: Final = 20.0
#: The sample may be harder than the rest, so that this begins some steps lower.
_STEPS_BACK: Final = 3
CLIENTS: Final = (1, 16)

#: Returns when this engine may load the machine.
WaitForTurn = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to look."""

    rounds: int
    #: Of each round.
    seconds: float
    #: Before anything is measured: a server in Java compiles what has run often, which the first filter would pay for.
    warm_up_seconds: float

    @classmethod
    def of(cls, quick: bool) -> "Plan":
        return cls(1, 0.5, 0.1) if quick else cls(5, 2.0, 6.0)


async def measure_engine(entry: EngineEntry, task_folder: Path, plan: Plan, wait_for_turn: WaitForTurn) -> EngineResult:
    """Builds, finds the efforts, then by turns: each round of each loop; at last looks at the memory, and inserts."""
    before = Machine.now()
    task = Task.read(task_folder)
    vectors, dimension = task.vectors.shape
    with tempfile.TemporaryDirectory(prefix="sightwire-bench-") as folder:
        async with entry.open(task, Path(folder)) as engine:
            queries = len(task.queries)
            loops: list[LoopResult] = []
            flood: float | None = None
            warming = await engine.asking(effort=_WARM_UP_EFFORT, percent=100)
            await warming.loop(CLIENTS[-1], queries=queries, seconds=plan.warm_up_seconds)
            percents = PERCENTS if entry.knows_filters else PERCENTS[:1]
            tuned = {percent: await _tuned(engine, task.truth[percent], percent) for percent in percents}
            for percent in percents:
                # Efforts are a setting of the collection in some engines.
                clients = await engine.asking(effort=tuned[percent].effort, percent=percent)
                loops += await _loops(clients, queries, plan, tuned[percent], wait_for_turn)
                if flood is None:
                    await wait_for_turn()
                    flood = await clients.flood(queries=queries, seconds=plan.seconds)
            await wait_for_turn()
            resident = engine.resident_bytes()
            insert_rate = await _insert_rate(engine, task) if isinstance(engine, TakesInserts) else None
            build_seconds = engine.build_seconds or None
    return EngineResult(
        engine=entry.name,
        label=entry.title(),
        kind=entry.kind,
        vectors=vectors,
        dimension=dimension,
        before=before,
        after=Machine.now(),
        loops=tuple(loops),
        build_seconds=build_seconds,
        inserts_per_second=insert_rate,
        resident_bytes=resident,
        flood_queries_per_second=flood,
    )


async def smallest_effort(efforts: Sequence[int], recall_of: Callable[[int], Awaitable[float]]) -> tuple[int, float]:
    """The smallest effort whose recall reaches `RECALL`, and that recall; the largest one if none does.

    Takes recall to grow with effort, so that a few of the efforts need to be tried.
    """
    seen: dict[int, float] = {}
    low, high = 0, len(efforts) - 1
    while low < high:
        middle = (low + high) // 2
        seen[middle] = await recall_of(efforts[middle])
        if seen[middle] >= RECALL:
            high = middle
        else:
            low = middle + 1
    if low not in seen:
        seen[low] = await recall_of(efforts[low])
    return efforts[low], seen[low]


@dataclass(frozen=True, slots=True)
class _Tuned:
    """The smallest effort that reaches the recall at a selectivity, and the recall."""

    percent: int
    effort: int
    recall: float


async def _tuned(engine: Engine, truth: Rows, percent: int) -> _Tuned:

    async def recall_of(effort: int, numbers: Rows) -> float:
        clients = await engine.asking(effort=effort, percent=percent)
        return recall(await clients.answers(numbers.tolist()), truth[numbers])

    # A slow engine would be asked for many minutes if each effort that is tried were tried with all queries.
    sample = _spread(len(truth), _SAMPLE)
    effort, reached = await smallest_effort(EFFORTS, lambda tried: recall_of(tried, sample))
    started = time.perf_counter()
    await recall_of(effort, sample)
    seconds_each = (time.perf_counter() - started) / len(sample)
    checked = _spread(len(truth), max(_SAMPLE, int(_CHECK_SECONDS / seconds_each)))
    for tried in EFFORTS[max(0, EFFORTS.index(effort) - _STEPS_BACK) :]:
        effort, reached = tried, await recall_of(tried, checked)
        if reached >= RECALL:
            break
    return _Tuned(percent, effort, reached)


def _spread(count: int, wanted: int) -> Rows:
    """At most `wanted` of the numbers below `count`, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).astype(np.int64))


async def _loops(
    clients: Clients, queries: int, plan: Plan, tuned: _Tuned, wait_for_turn: WaitForTurn
) -> list[LoopResult]:
    seen: dict[int, list[Rate]] = {count: [] for count in CLIENTS}
    for _ in range(plan.rounds):
        for count, rates in seen.items():
            await wait_for_turn()
            rates.append(await clients.loop(count, queries=queries, seconds=plan.seconds))
    return [
        LoopResult(
            percent=tuned.percent,
            effort=tuned.effort,
            recall=tuned.recall,
            clients=count,
            queries_per_second=statistics.median(rate.queries_per_second for rate in rates),
            p50_ms=1e3 * statistics.median(rate.latency.p50 for rate in rates),
            p99_ms=1e3 * statistics.median(rate.latency.p99 for rate in rates),
        )
        for count, rates in seen.items()
    ]


async def _insert_rate(engine: TakesInserts, task: Task) -> float:
    started = time.perf_counter()
    await engine.insert(task.inserts, task.buckets[: len(task.inserts)])
    return len(task.inserts) / (time.perf_counter() - started)


async def at_once() -> None:
    """For an engine that is measured alone."""


async def when_told() -> None:
    """Says that a turn is wanted, and waits for it."""
    print(TURN, flush=True)
    if not await asyncio.to_thread(sys.stdin.readline):
        raise EOFError("whoever gave turns has gone")


def main() -> None:
    """Writes the result of one engine to a file."""
    parser = argparse.ArgumentParser(description="Measures one engine; `python -m bench.search.comparison` does all.")
    parser.add_argument("engine", choices=list(ENGINES))
    parser.add_argument("task", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--turns", action="store_true", help="wait for each turn: see engine_process.py")
    arguments = parser.parse_args()
    entry = ENGINES[arguments.engine]
    wait_for_turn = when_told if arguments.turns else at_once
    result = asyncio.run(measure_engine(entry, arguments.task, Plan.of(arguments.quick), wait_for_turn))
    arguments.result.write_text(result.model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
