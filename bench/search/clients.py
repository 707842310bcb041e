"""Clients in a closed loop: threads that call a library, or coroutines that talk to a server."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Final

from bench.search.engine import FLOOD_CLIENTS, Rate

#: Answers query number n with the rows that were found; blocks its thread, and lets others run meanwhile.
Call = Callable[[int], Sequence[int]]
#: The same, of a server.
Ask = Callable[[int], Awaitable[Sequence[int]]]

#: Of a loop's time, at its start, in which what was asked is not counted. Each client has at least one query counted,
#: however slow the engine is.
_WARM_UP: Final = 0.1
#: Clients that ask when only the answers matter.
_FOR_ANSWERS: Final = 8


class ThreadClients:
    """Each client is a thread of this process, as a program with the library inside would have them."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def answers(self, numbers: Sequence[int]) -> list[Sequence[int]]:
        with ThreadPoolExecutor(_FOR_ANSWERS) as pool:
            return await asyncio.to_thread(lambda: list(pool.map(self._call, numbers)))

    async def loop(self, clients: int, *, queries: int, seconds: float) -> Rate:
        # Taking the next number off a counter is one step of the interpreter, so threads need no lock for it.
        numbers = count()
        started = time.perf_counter()
        counted_from, ends = started + _WARM_UP * seconds, started + seconds

        def client() -> list[float]:
            durations: list[float] = []
            while (sent := time.perf_counter()) < ends or not durations:
                self._call(next(numbers) % queries)
                if sent >= counted_from:
                    durations.append(time.perf_counter() - sent)
            return durations

        with ThreadPoolExecutor(clients) as pool:
            running = [asyncio.wrap_future(pool.submit(client)) for _ in range(clients)]
            of_each = await asyncio.gather(*running)
        durations = [duration for durations in of_each for duration in durations]
        return Rate(clients, durations, time.perf_counter() - counted_from)

    async def flood(self, *, queries: int, seconds: float) -> float:
        return (await self.loop(FLOOD_CLIENTS, queries=queries, seconds=seconds)).queries_per_second


class CoroutineClients:
    """All clients share this process's event loop, and one core with each other."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def answers(self, numbers: Sequence[int]) -> list[Sequence[int]]:
        places = asyncio.Semaphore(_FOR_ANSWERS)

        async def answer(number: int) -> Sequence[int]:
            async with places:
                return await self._ask(number)

        return list(await asyncio.gather(*map(answer, numbers)))

    async def loop(self, clients: int, *, queries: int, seconds: float) -> Rate:
        numbers = count()
        started = time.perf_counter()
        counted_from, ends = started + _WARM_UP * seconds, started + seconds

        async def client() -> list[float]:
            durations: list[float] = []
            while (sent := time.perf_counter()) < ends or not durations:
                await self._ask(next(numbers) % queries)
                if sent >= counted_from:
                    durations.append(time.perf_counter() - sent)
            return durations

        of_each = await asyncio.gather(*(client() for _ in range(clients)))
        durations = [duration for durations in of_each for duration in durations]
        return Rate(clients, durations, time.perf_counter() - counted_from)

    async def flood(self, *, queries: int, seconds: float) -> float:
        return (await self.loop(FLOOD_CLIENTS, queries=queries, seconds=seconds)).queries_per_second
