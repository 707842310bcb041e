"""A closed loop: so many clients that each send their next query when the last one is answered."""

import asyncio
import time
from dataclasses import dataclass

from bench.report import Percentiles
from bench.search.engine import Ask, Engine, Truth

#: Efforts that are tried until the recall is reached.
EFFORTS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
RECALL = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """What a closed loop saw."""

    clients: int
    queries_per_second: float
    latency: Percentiles


async def effort_for_recall(engine: Engine, truth: Truth, percent: int) -> tuple[int, float]:
    """The smallest effort whose recall@10 reaches `RECALL`, and that recall; the largest one if none does."""
    reached = 0.0
    for effort in EFFORTS:
        ask = engine.asking(effort=effort, percent=percent)
        reached = truth.recall([await ask(number) for number in range(len(truth.task.queries))], percent)
        if reached >= RECALL:
            return effort, reached
    return EFFORTS[-1], reached


async def closed_loop(ask: Ask, *, clients: int, queries: int, seconds: float) -> Rate:
    """Asks for `seconds`, going round the queries; what was asked in the first tenth is not counted."""
    started = time.perf_counter()
    counted_from = started + seconds / 10
    ends = started + seconds
    durations: list[float] = []
    asked = 0

    async def client() -> None:
        nonlocal asked
        while (sent := time.perf_counter()) < ends:
            number = asked % queries
            asked += 1
            await ask(number)
            if sent >= counted_from:
                durations.append(time.perf_counter() - sent)

    await asyncio.gather(*(client() for _ in range(clients)))
    elapsed = time.perf_counter() - counted_from
    return Rate(clients, len(durations) / elapsed, Percentiles.of(durations))
