"""Carries one run on: one turn after the other, each stored before anything is done outside."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from sightwire.contracts.pipelines import AttemptAbandoned, TaskOrder, attempt_id
from sightwire.errors import UnavailableError
from sightwire_orchestrator.caching.task_results import TaskResultCache
from sightwire_orchestrator.execution.endings import Endings
from sightwire_orchestrator.execution.idempotency import KeyedResults
from sightwire_orchestrator.execution.journal import Journal
from sightwire_orchestrator.execution.ordering import OrderDesk
from sightwire_orchestrator.execution.patience import patiently
from sightwire_orchestrator.execution.reviewing import ReviewRequests
from sightwire_orchestrator.execution.turns import take_turn
from sightwire_orchestrator.numbers.recorder import MetricsRecorder
from sightwire_orchestrator.runs.actions import Action, AskForReview, CancelAttempt, EndRun, SendOrder, WithdrawReview
from sightwire_orchestrator.runs.events import Message, ResultArrived
from sightwire_orchestrator.runs.orders import running_orders
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run


@dataclass(frozen=True, slots=True)
class _Posted:
    message: Message
    #: The run after it, as it is stored.
    answer: "asyncio.Future[Run]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class RunDriver:
    """One run that has not ended, or is about to be taken up again."""

    def __init__(
        self,
        plan: Plan,
        run: Run,
        journal: Journal,
        orders: OrderDesk,
        keyed: KeyedResults,
        cached: TaskResultCache,
        reviews: ReviewRequests,
        endings: Endings,
        recorder: MetricsRecorder,
    ) -> None:
        self._plan = plan
        self._run = run
        self._journal = journal
        self._orders = orders
        self._keyed = keyed
        self._cached = cached
        self._reviews = reviews
        self._endings = endings
        self._recorder = recorder
        self._inbox: deque[_Posted] = deque()
        self._something_came = asyncio.Event()

    @property
    def run(self) -> Run:
        """As it is stored."""
        return self._run

    @property
    def plan(self) -> Plan:
        """Of its definition."""
        return self._plan

    def post(self, message: Message) -> "asyncio.Future[Run]":
        """Has a message applied; the answer is the run after it, or the ConflictError by which it is refused."""
        posted = _Posted(message)
        self._inbox.append(posted)
        self._something_came.set()
        return posted.answer

    async def drive(self, *, is_recovered: bool) -> None:
        """Takes turns until the run has ended and nobody asks anything of it.

        Args:
            is_recovered: the run was carried on by another, which may have died before it sent all orders.

        Raises:
            FencedError: another orchestrator has taken over.
            Exception: the run cannot be carried on; who waits for an answer gets an UnavailableError.
        """
        try:
            if is_recovered:
                self._keyed.expect(running_orders(self._plan, self._run))
            wake_at = await self._take_turn()
            if is_recovered:
                await self._send_lost_orders()
            while self._inbox or not self._run.state.is_final:
                await self._wait(wake_at)
                wake_at = await self._take_turn()
        finally:
            for posted in self._inbox:
                _refuse(posted, UnavailableError(f"run {self._run.id!r} is not carried on here now; try again"))

    async def _wait(self, wake_at: datetime | None) -> None:
        if self._inbox:
            return
        self._something_came.clear()
        seconds = None if wake_at is None else max((wake_at - datetime.now(UTC)).total_seconds(), 0.0)
        try:
            async with asyncio.timeout(seconds):
                await self._something_came.wait()
        except TimeoutError:
            return

    async def _take_turn(self) -> datetime | None:
        posted = list(self._inbox)
        messages = [await self._as_it_counts(one.message) for one in posted]
        turn = take_turn(self._plan, self._run, messages, datetime.now(UTC))
        if turn.happenings:
            await self._journal.store(turn.run, turn.happenings)
            self._recorder.note(self._plan, turn.run, turn.happenings)
        self._run = turn.run
        for one, refusal in zip(posted, turn.refusals, strict=True):
            self._inbox.popleft()
            if isinstance(one.message, ResultArrived):
                self._orders.forget(one.message.result)
            if refusal is not None:
                _refuse(one, refusal)
            elif not one.answer.done():
                one.answer.set_result(turn.run)
        await self._carry_out(turn.actions)
        return turn.wake_at

    async def _as_it_counts(self, message: Message) -> Message:
        if not isinstance(message, ResultArrived):
            return message
        await self._cached.keep(message.result)
        kept = await self._keyed.kept(message.result)
        return message if kept is message.result else ResultArrived(result=kept)

    async def _carry_out(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case CancelAttempt():
                    abandoned = _abandoned(action)
                    self._cached.forget(abandoned)
                    await self._orders.abandon(abandoned)
                case AskForReview():
                    task_type = self._plan.tasks[action.task].type
                    ask = partial(self._reviews.ask, action, pipeline=self._run.pipeline, task_type=task_type)
                    await patiently(ask, what="ask for a review")
                case WithdrawReview():
                    await patiently(partial(self._reviews.withdraw, action), what="withdraw a review")
                case _:
                    pass  # orders go together, and the end is told last
        await self._send([action.order for action in actions if isinstance(action, SendOrder)])
        if any(isinstance(action, EndRun) for action in actions):
            await self._endings.tell(self._run)

    async def _send_lost_orders(self) -> None:
        running = running_orders(self._plan, self._run)
        await self._send([order for order in running if not self._orders.is_queued(order)])

    async def _send(self, orders: list[TaskOrder]) -> None:
        self._keyed.expect(orders)
        keyed = {attempt_id(order): await self._keyed.known(order) for order in orders}
        known = {attempt: result for attempt, result in keyed.items() if result is not None}
        known |= await self._cached.known(self._plan, [order for order in orders if attempt_id(order) not in known])
        unknown = [order for order in orders if attempt_id(order) not in known]
        refused = await self._orders.send(unknown, traceparent=self._run.traceparent)
        for result in (*known.values(), *refused):
            self.post(ResultArrived(result=result))


def _abandoned(action: CancelAttempt) -> AttemptAbandoned:
    return AttemptAbandoned(
        run=action.run, task=action.task, element=action.element, attempt=action.attempt, reason=action.reason
    )


def _refuse(posted: _Posted, error: Exception) -> None:
    if posted.answer.done():
        return  # whoever asked was cancelled meanwhile
    posted.answer.set_exception(error)
    # Not everyone who posts waits for the answer.
    posted.answer.exception()
