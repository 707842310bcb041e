"""Merges requests from anywhere in the process into batched calls of one model.

A batch is chosen at the moment a thread becomes free, from everything that waits then: an idle worker is never kept
waiting (unless the measured policy says that it pays), and under load batches grow by themselves.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from sightwire.errors import OverloadedError, UnavailableError
from sightwire_embedder.batching.isolation import call_isolated
from sightwire_embedder.batching.policy import BatchPolicy
from sightwire_embedder.batching.selection import LOOK_AHEAD, RequestShape, select_batch
from sightwire_embedder.batching.turns import ComputeTurns, Priority

Input = TypeVar("Input")
Output = TypeVar("Output")

#: Weight of the newest gap in the mean gap between arrivals.
_GAP_WEIGHT = 0.2
#: Longer gaps count as this many seconds, so that a pause is soon forgotten.
_LONGEST_GAP = 1.0


@dataclass(frozen=True, slots=True)
class FinishedBatch:
    """What observers learn of each call."""

    model: str
    priority: Priority
    size: int
    #: Seconds that the oldest request of the batch had waited.
    queue_seconds: float
    call_seconds: float


class BatchObserver(Protocol):
    """Told of every finished batch, in the event loop."""

    def __call__(self, batch: FinishedBatch) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer(Generic[Output]):
    """An output and how long the call took that made it."""

    value: Output
    call_seconds: float


@dataclass(slots=True, eq=False)
class _Request(Generic[Input, Output]):
    input: Input
    shape: RequestShape
    answer: "asyncio.Future[Answer[Output]]"
    queued_at: float
    is_waiting: bool = True


@dataclass(slots=True)
class _Queue(Generic[Input, Output]):
    """Requests of one priority."""

    requests: "deque[_Request[Input, Output]]" = field(default_factory=deque)
    #: Requests that still wait; those that were cancelled stay in `requests` until they are passed over.
    size: int = 0
    room: asyncio.Event = field(default_factory=asyncio.Event)
    has_asked: bool = False
    last_arrival: float = -_LONGEST_GAP
    mean_gap: float = _LONGEST_GAP

    def note_arrival(self, now: float) -> None:
        gap = min(now - self.last_arrival, _LONGEST_GAP)
        self.mean_gap += _GAP_WEIGHT * (gap - self.mean_gap)
        self.last_arrival = now


class Batcher(Generic[Input, Output]):
    """Batches calls of one model. For one event loop.

    `call` runs in a thread; it answers, for each of its inputs, an output or the error of that input alone. If it
    raises instead, the batch is split until the input at fault is found.
    """

    def __init__(
        self,
        model: str,
        call: Callable[[Sequence[Input]], Sequence[Output | Exception]],
        turns: ComputeTurns,
        policy: BatchPolicy,
        *,
        shape_of: Callable[[Input], RequestShape] = lambda _: RequestShape(),
        max_waiting: int = 1024,
        observer: BatchObserver | None = None,
    ) -> None:
        self.model = model
        self.policy = policy
        self._call = call
        self._turns = turns
        self._shape_of = shape_of
        self._max_waiting = max_waiting
        self._observer = observer
        self._queues: dict[Priority, _Queue[Input, Output]] = {priority: _Queue() for priority in Priority}
        self._is_closed = False

    def waiting(self, priority: Priority) -> int:
        """Requests that wait for a batch."""
        return self._queues[priority].size

    def close(self) -> None:
        """Refuses new requests; those that were accepted are still answered."""
        self._is_closed = True
        for queue in self._queues.values():
            queue.room.set()

    async def submit(self, model_input: Input, priority: Priority) -> Answer[Output]:
        """The model's answer for one input.

        When the queue is full, ingest and re-embedding wait for room, which slows their sources down, and a query is
        refused with `OverloadedError`. Raises the input's own error if the model cannot process it, and
        `UnavailableError` after `close`. Cancelling it harms no other request.
        """
        (answer,) = await self.submit_all([model_input], priority)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def submit_all(self, inputs: Sequence[Input], priority: Priority) -> list[Answer[Output] | Exception]:
        """For each input its answer or its own error; otherwise like `submit`."""
        requests: list[_Request[Input, Output]] = []
        try:
            for model_input in inputs:
                # Not a comprehension: what is queued already must be known if the next input finds no room.
                requests.append(await self._enqueue(model_input, priority))  # noqa: PERF401
            return [await _outcome(request.answer) for request in requests]
        except BaseException:
            for request in requests:
                self._forget(request, priority)
            raise

    async def _enqueue(self, model_input: Input, priority: Priority) -> _Request[Input, Output]:
        queue = self._queues[priority]
        while queue.size >= self._max_waiting and not self._is_closed:
            if priority is Priority.QUERY:
                raise OverloadedError(
                    f"{queue.size} queries wait for the model {self.model!r}, which is the limit; try again later"
                )
            queue.room.clear()
            await queue.room.wait()
        if self._is_closed:
            raise UnavailableError(f"the model {self.model!r} is shutting down; try again later")
        now = time.perf_counter()
        request: _Request[Input, Output] = _Request(
            model_input, self._shape_of(model_input), asyncio.get_running_loop().create_future(), now
        )
        queue.requests.append(request)
        queue.size += 1
        queue.note_arrival(now)
        self._ask_for_a_turn(priority)
        return request

    def _forget(self, request: _Request[Input, Output], priority: Priority) -> None:
        """Withdraws a request; if it runs already its answer goes nowhere."""
        if not request.answer.cancel() and not request.answer.cancelled():
            # Answered already; asyncio logs errors that nobody looked at.
            request.answer.exception()
        self._leave_queue(request, priority)

    def _leave_queue(self, request: _Request[Input, Output], priority: Priority) -> None:
        if request.is_waiting:
            request.is_waiting = False
            queue = self._queues[priority]
            queue.size -= 1
            queue.room.set()

    def _ask_for_a_turn(self, priority: Priority) -> None:
        queue = self._queues[priority]
        if queue.has_asked:
            return
        queue.has_asked = True
        company_is_likely = queue.size == 1 and queue.mean_gap < self.policy.wait_seconds
        if company_is_likely:
            loop = asyncio.get_running_loop()
            loop.call_later(self.policy.wait_seconds, self._turns.ask, priority, lambda: self._take_batch(priority))
        else:
            self._turns.ask(priority, lambda: self._take_batch(priority))

    def _take_batch(self, priority: Priority) -> Callable[[], None] | None:
        """The next batch as work for a thread, None if every request was withdrawn meanwhile."""
        queue = self._queues[priority]
        queue.has_asked = False
        batch = self._choose(queue, priority)
        if not batch:
            return None
        for request in batch:
            self._leave_queue(request, priority)
        if queue.size:
            self._ask_for_a_turn(priority)
        loop = asyncio.get_running_loop()

        def run() -> None:
            started_at = time.perf_counter()
            outputs = call_isolated(self._call, [request.input for request in batch])
            seconds = time.perf_counter() - started_at
            loop.call_soon_threadsafe(self._finish, priority, batch, outputs, started_at, seconds)

        return run

    def _choose(self, queue: _Queue[Input, Output], priority: Priority) -> list[_Request[Input, Output]]:
        candidates = []
        for request in queue.requests:
            if request.is_waiting:
                candidates.append(request)
            if len(candidates) == LOOK_AHEAD:
                break
        while queue.requests and not queue.requests[0].is_waiting:
            queue.requests.popleft()
        if not candidates:
            return []
        shapes = [request.shape for request in candidates]
        # Two half batches on two idle threads are done sooner than a whole one on one of them.
        idle_threads = max(1, min(self._turns.workers, self._turns.idle_threads(priority)))
        fair_share = -(-sum(shape.length for shape in shapes) // idle_threads)
        budget = min(self.policy.budget(priority), max(fair_share, shapes[0].length))
        return [candidates[index] for index in select_batch(shapes, budget)]

    def _finish(
        self,
        priority: Priority,
        batch: list[_Request[Input, Output]],
        outputs: list[Output | Exception],
        started_at: float,
        seconds: float,
    ) -> None:
        for request, output in zip(batch, outputs, strict=True):
            if request.answer.done():
                continue
            if isinstance(output, Exception):
                request.answer.set_exception(output)
            else:
                request.answer.set_result(Answer(output, seconds))
        if self._observer is not None:
            self._observer(FinishedBatch(self.model, priority, len(batch), started_at - batch[0].queued_at, seconds))


async def _outcome(answer: "asyncio.Future[Answer[Output]]") -> Answer[Output] | Exception:
    try:
        return await answer
    except Exception as error:
        return error
