"""Runs queries in threads, and those that have waited together in one go.

While a thread is free a query runs at once, alone. When all are busy, queries queue by batch key, and a thread that
becomes free takes all that has queued under the oldest key: batches grow with the load and nothing waits for them.
"""

import asyncio
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sightwire.errors import OverloadedError, UnavailableError

Job = TypeVar("Job")
Result = TypeVar("Result")

#: Runs jobs of one batch key in a thread; answers in their order.
RunBatch = Callable[[Sequence[Job]], Sequence[Result]]


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Job, Result]):
    job: Job
    answer: asyncio.Future[Result]


@dataclass(frozen=True, slots=True)
class _Batch(Generic[Job, Result]):
    run: RunBatch[Job, Result]
    waiting: list[_Waiting[Job, Result]]


class QueryExecutor(Generic[Job, Result]):
    """Threads for queries; belongs to one event loop.

    Args:
        threads: how many run at once.
        max_queued: jobs that may wait; one more is refused.
        max_batch: jobs that run together at most.
    """

    def __init__(self, *, threads: int, max_queued: int, max_batch: int) -> None:
        self._loop = asyncio.get_running_loop()
        #: May be replaced, both.
        self.max_queued = max_queued
        self.max_batch = max_batch
        self._idle = threads
        self._queued: OrderedDict[Hashable, _Batch[Job, Result]] = OrderedDict()
        self._queued_jobs = 0
        self._batches: queue.SimpleQueue[_Batch[Job, Result] | None] = queue.SimpleQueue()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"search-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def queued(self) -> int:
        """Jobs that wait for a thread."""
        return self._queued_jobs

    async def submit(self, job: Job, run: RunBatch[Job, Result], *, key: Hashable | None = None) -> Result:
        """The result of `job`, which `run` gets with others of the same `key`; with None it runs alone.

        Raises:
            OverloadedError: too many are waiting.
            UnavailableError: the executor is closed.
        """
        if self._closed:
            raise UnavailableError("the searcher is stopping; try another one")
        if self._queued_jobs >= self.max_queued:
            raise OverloadedError(f"{self._queued_jobs} queries are waiting already; slow down or add searchers")
        answer: asyncio.Future[Result] = self._loop.create_future()
        waiting = _Waiting(job, answer)
        if self._idle:
            self._idle -= 1
            self._batches.put(_Batch(run, [waiting]))
        else:
            self._enqueue(waiting, run, key if key is not None else object())
        return await answer

    def close(self) -> None:
        """Refuses new jobs, ends the threads once all that waits is done, and waits for them."""
        self._closed = True
        while self._queued:
            self._batches.put(self._next_batch())
        for _ in self._threads:
            self._batches.put(None)
        for thread in self._threads:
            thread.join()

    def _enqueue(self, waiting: _Waiting[Job, Result], run: RunBatch[Job, Result], key: Hashable) -> None:
        self._queued_jobs += 1
        batch = self._queued.get(key)
        if batch is None:
            self._queued[key] = _Batch(run, [waiting])
            return
        batch.waiting.append(waiting)

    def _next_batch(self) -> _Batch[Job, Result]:
        """The oldest key's jobs, without those whose caller has gone; what is over the limit stays first in line."""
        key, batch = next(iter(self._queued.items()))
        taken, rest = batch.waiting[: self.max_batch], batch.waiting[self.max_batch :]
        if rest:
            self._queued[key] = _Batch(batch.run, rest)
        else:
            del self._queued[key]
        self._queued_jobs -= len(taken)
        return _Batch(batch.run, [waiting for waiting in taken if not waiting.answer.done()])

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            results: Sequence[Result] | BaseException = []
            try:
                if batch.waiting:
                    results = batch.run([waiting.job for waiting in batch.waiting])
            except BaseException as error:
                results = error
            self._loop.call_soon_threadsafe(self._finish, batch, results)
            # Jobs hold snapshots; a thread that waits for the next one must not keep the last alive.
            del batch, results

    def _finish(self, batch: _Batch[Job, Result], results: Sequence[Result] | BaseException) -> None:
        if self._queued:
            self._batches.put(self._next_batch())
        else:
            self._idle += 1
        for index, waiting in enumerate(batch.waiting):
            if waiting.answer.done():
                continue
            if isinstance(results, BaseException):
                waiting.answer.set_exception(results)
            else:
                waiting.answer.set_result(results[index])
