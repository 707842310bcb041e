"""One computation for all in this process who want the same key at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from sightwire.cache.invalidation_log import Invalidation

Result = TypeVar("Result")


class _Flight(Generic[Result]):
    def __init__(self, task: asyncio.Task[Result], tags: frozenset[str]) -> None:
        self.task = task
        self.tags = tags
        self.waiting = 0


class Flights(Generic[Result]):
    """Computations on their way, by key.

    Each runs in a task of its own, so that a caller who gives up takes it from nobody else; when all have given up it
    is cancelled.
    """

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[Result]] = {}
        self._tasks: set[asyncio.Task[Result]] = set()

    def is_under_way(self, key: str) -> bool:
        """Whether `run` would join a computation that another caller started."""
        return key in self._flights

    async def run(self, key: str, tags: frozenset[str], compute: Callable[[], Awaitable[Result]]) -> Result:
        """The result for `key`: of the computation under way, else of `compute`, whose errors reach every waiter."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._start(key, tags, compute)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.task.done():
                self._leave(key, flight)
                flight.task.cancel()

    def detach(self, invalidation: Invalidation) -> None:
        """Lets nobody join the computations of these entries any more; who waits already gets what they give."""
        for key, flight in tuple(self._flights.items()):
            if invalidation.concerns(key, flight.tags):
                del self._flights[key]

    @property
    def tasks(self) -> tuple[asyncio.Task[Result], ...]:
        """Every computation that has not ended, detached ones as well."""
        return tuple(self._tasks)

    def _start(self, key: str, tags: frozenset[str], compute: Callable[[], Awaitable[Result]]) -> _Flight[Result]:
        async def fly() -> Result:
            return await compute()

        flight = _Flight(asyncio.create_task(fly(), name=f"cache-compute-{key}"), tags)
        self._flights[key] = flight
        self._tasks.add(flight.task)

        def landed(task: asyncio.Task[Result]) -> None:
            self._tasks.discard(task)
            self._leave(key, flight)
            if not task.cancelled():
                # Every waiter may have given up in the moment in which it failed: then nobody else asks for the error.
                task.exception()

        flight.task.add_done_callback(landed)
        return flight

    def _leave(self, key: str, flight: _Flight[Result]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
