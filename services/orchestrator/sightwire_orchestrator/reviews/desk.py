"""The review desk: takes what runs ask people to decide, and keeps at it until it is decided or withdrawn."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from sightwire.contracts.pipelines import PipelineName, RunId, TaskType
from sightwire.contracts.reviews import (
    Actor,
    Asked,
    Review,
    ReviewDecision,
    Reviewer,
    ReviewRequest,
    ReviewStatistics,
    ReviewStatus,
    Withdrawn,
)
from sightwire.errors import ConflictError, SightwireError
from sightwire_orchestrator.reviews.advancing import DEFAULT_REMINDERS, DESK, ReminderPolicy, moment_after
from sightwire_orchestrator.reviews.answering import comment, decide, delegate, reassign
from sightwire_orchestrator.reviews.applying import begin
from sightwire_orchestrator.reviews.assigning import Workload, assign
from sightwire_orchestrator.reviews.availability import is_reachable
from sightwire_orchestrator.reviews.notifier import ReviewNotifier, utc_now
from sightwire_orchestrator.reviews.placing import place
from sightwire_orchestrator.reviews.recording import Change, record
from sightwire_orchestrator.reviews.review_store import OPEN_STATUSES, ReviewFilter, ReviewStore
from sightwire_orchestrator.reviews.reviewer_store import ReviewerStore
from sightwire_orchestrator.reviews.statistics import statistics_of
from sightwire_orchestrator.reviews.tending import tend
from sightwire_orchestrator.runs.actions import AskForReview, WithdrawReview
from sightwire_orchestrator.runs.asking import reviews_waited_for
from sightwire_orchestrator.runs.events import EditedOutput, ReviewDecided
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run

logger = logging.getLogger(__name__)

#: Takes a decision to its run. Returns when the run has it, or does not wait for it; is called again when it raises,
#: and may be in any case.
TellRun = Callable[[RunId, ReviewDecided], Awaitable[None]]


class ReviewDesk:
    """Reviews, from being asked for to the decision.

    Whatever happens is stored before anyone is told of it; `tend` makes up for what a crash prevented. Of several desks
    on one database each change counts once, but let only one tend.
    """

    def __init__(
        self,
        reviews: ReviewStore,
        reviewers: ReviewerStore,
        notifier: ReviewNotifier,
        tell_run: TellRun,
        *,
        policy: ReminderPolicy = DEFAULT_REMINDERS,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._reviews = reviews
        self._reviewers = reviewers
        self._notifier = notifier
        self._tell_run = tell_run
        self._policy = policy
        self._clock = clock
        #: Who assigns must know of all assignments before.
        self._assigning = asyncio.Lock()

    async def ask(self, action: AskForReview, *, pipeline: PipelineName, task_type: TaskType) -> Review:
        """Takes a review, and gives it to somebody who is there. Asking again changes nothing."""
        id_ = review_id(action.run, action.task, action.round)
        async with self._assigning:
            present = await self._reviews.find(id_)
            if present is not None:
                return present
            now = self._clock()
            asked = record(begin(_request(id_, action, pipeline, task_type, now)), (Asked(),), DESK, now)
            chosen = assign(asked.after, await self._reviewers.all(), await self._reviews.workload(now), now)
            change = asked.then(place(asked.after, chosen, now))
            if await self._reviews.create(change, self._notifier.address(change.notifications)):
                return change.after
        return await self._reviews.get(id_)

    async def withdraw(self, action: WithdrawReview) -> None:
        """Nobody waits for a decision any longer. Of a review that has ended, or was never asked for, nothing changes.

        Raises:
            ConflictError: somebody changed the review again and again at the same moment.
        """
        id_ = review_id(action.run, action.task, action.round)
        if await self._reviews.find(id_) is not None:
            await self._change(id_, self._withdrawal)

    async def decide(self, id_: str, decision: ReviewDecision, actor: Actor) -> Review:
        """Stores the decision of the reviewer, `actor`, and tells the run. The same decision again changes nothing.

        Raises:
            ConflictError: the review has ended otherwise, or lies with somebody else.
            NotFoundError: there is no such review.
        """

        async def decision_now(review: Review) -> Change:
            return decide(review, decision, actor, self._clock())

        review = await self._change(id_, decision_now)
        await self._tell(review)
        return review

    async def delegate(self, id_: str, to: str, actor: Actor, *, comment: str = "") -> Review:
        """Gives a review to another reviewer.

        Raises:
            ConflictError: the review has ended, or the other one is not there, or has as much to do as is allowed.
            NotFoundError: there is no such review, or reviewer.
        """
        receiver = await self._reviewers.get(to)

        async def delegation(review: Review) -> Change:
            now = self._clock()
            workload = (await self._reviews.workload(now)).get(to, Workload())
            return delegate(review, receiver, workload, actor, now, comment=comment)

        async with self._assigning:
            return await self._change(id_, delegation)

    async def reassign(self, id_: str, actor: Actor, *, comment: str = "") -> Review:
        """Gives a review to whoever else suits best now, as new ones are given.

        Raises:
            ConflictError: the review has ended, or nobody else can take it.
            NotFoundError: there is no such review.
        """

        async def reassignment(review: Review) -> Change:
            now = self._clock()
            reviewers, workload = await self._reviewers.all(), await self._reviews.workload(now)
            return reassign(review, reviewers, workload, actor, now, comment=comment)

        async with self._assigning:
            return await self._change(id_, reassignment)

    async def add_comment(self, id_: str, text: str, actor: Actor) -> Review:
        """Adds to the trail what somebody says.

        Raises:
            ConflictError: the review has ended.
            NotFoundError: there is no such review.
        """

        async def commenting(review: Review) -> Change:
            return comment(review, text, actor, self._clock())

        return await self._change(id_, commenting)

    async def tend(self) -> None:
        """Does what is due: takes reviews from those who are absent, reminds, escalates, assigns, tells runs.

        To be called every some seconds, by one desk. Sending is `ReviewNotifier.send_waiting`.
        """
        async with self._assigning:
            now = self._clock()
            reviewers = await self._reviewers.all()
            unreachable = [reviewer.id for reviewer in reviewers if not is_reachable(reviewer, now)]
            reviews = await self._reviews.needing_attention(now, unreachable)
            if reviews:
                workload = await self._reviews.workload(now)
                for change in tend(reviews, reviewers, workload, now, self._policy):
                    await self._append_unless_changed(change)
        for review in await self._reviews.untold():
            await self._tell(review)

    async def reconcile(self, unfinished: Iterable[tuple[Plan, Run]]) -> None:
        """Makes up for a crash between a run and the desk: for a starting orchestrator that has claimed the database.

        Asks for what runs wait for, and withdraws what no run waits for.

        Args:
            unfinished: all runs that have not ended.
        """
        waited_for = set()
        for plan, run in unfinished:
            for action in reviews_waited_for(plan, run):
                task_type = plan.tasks[action.task].type
                waited_for.add((await self.ask(action, pipeline=run.pipeline, task_type=task_type)).id)
        for review in await self._reviews.select(ReviewFilter(statuses=OPEN_STATUSES), limit=None):
            if review.id not in waited_for:
                await self._change(review.id, self._withdrawal)

    async def statistics(self, filter: ReviewFilter | None = None) -> ReviewStatistics:
        """How reviews went against their deadlines."""
        return statistics_of(await self._reviews.times(filter or ReviewFilter()), self._clock())

    async def put_reviewer(self, reviewer: Reviewer) -> Reviewer:
        """Stores a profile, and takes reviews from somebody who is not there any longer; see `ReviewerStore.put`."""
        stored = await self._reviewers.put(reviewer)
        await self.tend()
        return stored

    async def deactivate(self, id_: str) -> Reviewer:
        """A reviewer is no longer asked, and reviews go to others; of one who is not asked nothing changes.

        Raises:
            ConflictError: the profile was changed at the same moment.
            NotFoundError: there is no such reviewer.
        """
        present = await self._reviewers.get(id_)
        if not present.is_active:
            return present
        return await self.put_reviewer(present.model_copy(update={"is_active": False}))

    async def _withdrawal(self, review: Review) -> Change:
        acts = (Withdrawn(),) if review.status.is_open else ()
        return record(review, acts, DESK, self._clock())

    async def _change(self, id_: str, make: Callable[[Review], Awaitable[Change]]) -> Review:
        """The review after what `make` makes of it, once more if somebody else changed it at the same moment."""
        for is_last in (False, False, True):
            change = await make(await self._reviews.get(id_))
            if change.is_empty:
                break
            try:
                await self._reviews.append(change, self._notifier.address(change.notifications))
            except ConflictError:
                if is_last:
                    raise
            else:
                break
        return change.after

    async def _append_unless_changed(self, change: Change) -> None:
        try:
            await self._reviews.append(change, self._notifier.address(change.notifications))
        except ConflictError:
            # Somebody decided, say. What is due nevertheless is so the next time.
            logger.debug("review %s changed while the desk looked at it", change.after.id)

    async def _tell(self, review: Review) -> None:
        try:
            await self._tell_run(review.run, decided_event(review))
        except SightwireError as error:
            logger.warning("run %s is not told of review %s yet: %s", review.run, review.id, error.detail)
        else:
            await self._reviews.mark_told(review.id)


def review_id(run: str, task: str, round_: int) -> str:
    """The id of a review: asking again for the same gives the same one."""
    return f"{run}.{task}.{round_}"


def decided_event(review: Review) -> ReviewDecided:
    """What a decided review says to its run."""
    assert review.status is ReviewStatus.DECIDED, f"review {review.id} is {review.status}"
    assert review.decision is not None
    assert review.reviewer is not None
    said = review.decision
    return ReviewDecided(
        task=review.task_name,
        round=review.round,
        decision=said.decision,
        reviewer=review.reviewer,
        comment=said.comment,
        edited=None if said.edited is None else EditedOutput(said.edited.value),
    )


def _request(
    id_: str, action: AskForReview, pipeline: PipelineName, task_type: TaskType, now: datetime
) -> ReviewRequest:
    demand = action.demand
    return ReviewRequest(
        id=id_,
        run=action.run,
        pipeline=pipeline,
        task_name=action.task,
        task_type=task_type,
        round=action.round,
        input_data=action.output,
        instructions=demand.instructions,
        last_comment=action.last_comment,
        specialization=demand.specialization,
        priority=demand.priority,
        asked_at=now,
        deadline=moment_after(now, demand.deadline),
        escalation=demand.escalation,
    )
