"""Clients in a closed loop: threads that call a library or a gRPC server, or coroutines that talk to another server."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from typing import Final, TypeVar

import grpc
from typing_extensions import override

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

Answer = TypeVar("Answer")


class _Threads(ABC):
    """Each client is a thread of this process."""

    @abstractmethod
    def _client(self) -> AbstractContextManager[Call]:
        """How one client asks, as long as it does."""

    async def answers(self, numbers: Sequence[int]) -> list[Sequence[int]]:
        found: list[Sequence[int]] = [()] * len(numbers)
        # Taking the next number off a counter is one step of the interpreter, so threads need no lock for it.
        places = count()

        def client() -> None:
            with self._client() as call:
                while (place := next(places)) < len(numbers):
                    found[place] = call(numbers[place])

        await _in_threads(client, _FOR_ANSWERS)
        return found

    async def loop(self, clients: int, *, queries: int, seconds: float) -> Rate:
        numbers = count()
        started = time.perf_counter()
        counted_from, ends = started + _WARM_UP * seconds, started + seconds

        def client() -> list[float]:
            durations: list[float] = []
            with self._client() as call:
                while (sent := time.perf_counter()) < ends or not durations:
                    call(next(numbers) % queries)
                    if sent >= counted_from:
                        durations.append(time.perf_counter() - sent)
            return durations

        of_each = await _in_threads(client, clients)
        durations = [duration for durations in of_each for duration in durations]
        return Rate(clients, durations, time.perf_counter() - counted_from)

    async def flood(self, *, queries: int, seconds: float) -> float:
        return (await self.loop(FLOOD_CLIENTS, queries=queries, seconds=seconds)).queries_per_second


class ThreadClients(_Threads):
    """Threads that call a library, as a program with the library inside would have them."""

    def __init__(self, call: Call) -> None:
        self._call = call

    @override
    def _client(self) -> AbstractContextManager[Call]:
        return nullcontext(self._call)


class GrpcClients(_Threads):
    """Threads that each have a connection of their own, as different programs that ask one server would.

    Args:
        addresses: of the server, or of its replicas, which clients take in turns.
        connect: makes a call of a channel.
    """

    def __init__(self, addresses: Sequence[str], connect: Callable[[grpc.Channel], Call]) -> None:
        self._addresses = addresses
        self._connected = count()
        self._connect = connect

    @override
    @contextmanager
    def _client(self) -> Iterator[Call]:
        address = self._addresses[next(self._connected) % len(self._addresses)]
        # Otherwise channels to one address share a connection.
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            yield self._connect(channel)


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


async def _in_threads(client: Callable[[], Answer], clients: int) -> list[Answer]:
    with ThreadPoolExecutor(clients) as pool:
        return await asyncio.gather(*(asyncio.wrap_future(pool.submit(client)) for _ in range(clients)))
