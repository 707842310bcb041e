"""Who may compute now: threads for model calls and picture work, lent to queries before ingest, to ingest before the
re-embedding of what is stored already.

A model call cannot be interrupted. If queries had to wait for a thread that ingest occupies, each would wait for the
rest of a detector call. So ingest and re-embedding get as many threads as there are workers, and one thread more is
kept for queries: a query starts at once and shares the cores for the few milliseconds that it takes.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from typing import TypeVar

Result = TypeVar("Result")

#: Called in the event loop when a turn comes; answers what to run in a thread, or None to pass.
TakeWork = Callable[[], Callable[[], None] | None]


class Priority(IntEnum):
    """Whose work it is."""

    QUERY = 0
    INGEST = 1
    REEMBED = 2


def next_turn(workers: int, *, running: Mapping[Priority, int], waiting: Collection[Priority]) -> Priority | None:
    """Whose turn it is, None when nobody may start.

    Queries first, on up to `workers` + 1 threads; then ingest, then re-embedding, together on up to `workers`. While
    ingest waits, queries leave it one thread, so that no stream of queries starves it. Nothing is left to
    re-embedding, which waits until there is room.

    Args:
        running: threads that work for each.
        waiting: those that would begin something.
    """
    not_queries = running[Priority.INGEST] + running[Priority.REEMBED]
    free = workers + 1 - running[Priority.QUERY] - not_queries
    if free <= 0:
        return None
    ingest_needs_the_last = Priority.INGEST in waiting and not_queries == 0 and free == 1
    if Priority.QUERY in waiting and not ingest_needs_the_last:
        return Priority.QUERY
    if not_queries >= workers:
        return None
    return min((priority for priority in waiting if priority is not Priority.QUERY), default=None)


class ComputeTurns:
    """Runs work in threads, as `next_turn` says. For one event loop; use as an async context manager."""

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"expected at least one worker, got {workers}")
        self.workers = workers
        self._threads = ThreadPoolExecutor(workers + 1, thread_name_prefix="compute")
        self._waiting: dict[Priority, deque[TakeWork]] = {priority: deque() for priority in Priority}
        self._running = dict.fromkeys(Priority, 0)
        self._grant_is_scheduled = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def __aenter__(self) -> "ComputeTurns":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._idle.wait()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def idle_threads(self, priority: Priority) -> int:
        """How many turns of this priority could start now, if nobody else asked."""
        free = self.workers + 1 - sum(self._running.values())
        if priority is Priority.QUERY:
            return free
        return max(0, min(free, self.workers - self._running[Priority.INGEST] - self._running[Priority.REEMBED]))

    def ask(self, priority: Priority, take_work: TakeWork) -> None:
        """Asks for one turn. `take_work` is called when it comes, never before the present callback has ended.

        So requests that arrive together are seen together, and what runs is chosen as late as possible.
        """
        self._waiting[priority].append(take_work)
        self._idle.clear()
        self._schedule_grant()

    async def run(self, priority: Priority, work: Callable[[], Result]) -> Result:
        """Runs `work` in a thread when its turn comes; returns its result. Cancelled while waiting, it never runs."""
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[Result] = loop.create_future()

        def run_and_report() -> None:
            try:
                result = work()
            except BaseException as error:
                loop.call_soon_threadsafe(_set_exception, finished, error)
            else:
                loop.call_soon_threadsafe(_set_result, finished, result)

        self.ask(priority, lambda: None if finished.done() else run_and_report)
        return await finished

    def _schedule_grant(self) -> None:
        if not self._grant_is_scheduled:
            self._grant_is_scheduled = True
            asyncio.get_running_loop().call_soon(self._grant)

    def _grant(self) -> None:
        self._grant_is_scheduled = False
        while (priority := self._next_priority()) is not None:
            work = self._waiting[priority].popleft()()
            if work is None:
                continue
            self._running[priority] += 1
            running = asyncio.get_running_loop().run_in_executor(self._threads, work)
            running.add_done_callback(lambda _, priority=priority: self._finish(priority))  # type: ignore[misc]
        if not any(self._running.values()) and not any(self._waiting.values()):
            self._idle.set()

    def _next_priority(self) -> Priority | None:
        waiting = [priority for priority, asked in self._waiting.items() if asked]
        return next_turn(self.workers, running=self._running, waiting=waiting)

    def _finish(self, priority: Priority) -> None:
        self._running[priority] -= 1
        self._schedule_grant()


def _set_result(future: asyncio.Future[Result], result: Result) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: asyncio.Future[Result], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
