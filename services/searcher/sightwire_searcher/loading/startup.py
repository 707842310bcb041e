"""Whether everything that existed at the start has been loaded once: before that, this searcher does not count."""

import asyncio
from collections.abc import Callable

#: Answers None when every known collection has a snapshot, else what is missing.
Problem = Callable[[], str | None]


class Startup:
    """Complete once all collections known at the start are loaded, and from then on for good.

    A collection that is created later, or fails to load later, does not take the others out of service.
    """

    def __init__(self) -> None:
        self._problem: Problem = lambda: "the collections are not known yet"
        self._complete = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    @property
    def is_complete(self) -> bool:
        return self._complete.is_set()

    @property
    def problem(self) -> str | None:
        """What is missing; None once it is complete."""
        return None if self.is_complete else self._problem()

    def watch(self, problem: Problem) -> None:
        """The collections are known now, and `problem` tells which of them are missing."""
        self._problem = problem
        self.notify()

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Has `listener` called at each `notify`."""
        self._listeners.append(listener)

    def notify(self) -> None:
        """Something was loaded or dropped."""
        if not self.is_complete and self._problem() is None:
            self._complete.set()
        for listener in self._listeners:
            listener()

    async def wait(self) -> None:
        """Returns when it is complete."""
        await self._complete.wait()
