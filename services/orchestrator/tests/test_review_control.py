"""Reviews and reviewers asked for over a real bus: decisions continue runs, what is refused changes nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.orchestrator.tests.asked_reviews import actor, reviewer
from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world, states
from sightwire.bus.orchestrator import OrchestratorClient
from sightwire.contracts.pipelines import PipelineRunState, TaskState
from sightwire.contracts.review_control import (
    CommentReview,
    DeactivateReviewer,
    DecideReview,
    DelegateReview,
    ListReviewers,
    ListReviews,
    PutReviewer,
    ReadReview,
    ReadReviewer,
    ReadReviewStatistics,
    ReassignReview,
    ReviewDetails,
    ReviewerList,
    ReviewPage,
)
from sightwire.contracts.reviews import EditedData, Review, ReviewDecision, Reviewer, ReviewStatistics, ReviewStatus
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(180)

_REVIEWED = {
    "name": "reviewed",
    "tasks": [
        {"name": "draft", "type": "echo", "parameters": {"text": "draft"}, "review": {"specialization": "law"}},
        {"name": "send", "type": "echo", "parameters": {"text": "{draft_output.text}"}},
    ],
    "global_parameters": {"output_mapping": {"text": "{send_output.text}"}},
}
_APPROVED = ReviewDecision(decision="approve")


class Reviews:
    """What a test asks of the orchestrator."""

    def __init__(self, world: OrchestratorWorld, eventually: Eventually) -> None:
        self.world = world
        self._eventually = eventually
        self.ask = OrchestratorClient(world.bus).ask_reviews

    async def put(self, id_: str, **values: Any) -> Reviewer:
        return await self.ask(PutReviewer(reviewer=reviewer(id_, "law", **values)), Reviewer)

    async def begin(self) -> Review:
        """The review of a new run."""
        run = await self.world.begin(_REVIEWED)

        async def asked() -> bool:
            return bool((await self.page(run=run)).reviews)

        await self._eventually(asked)
        [summary] = (await self.page(run=run)).reviews
        return (await self.read(summary.id)).review

    async def page(self, **wanted: Any) -> ReviewPage:
        return await self.ask(ListReviews(**wanted), ReviewPage)

    async def read(self, id_: str) -> ReviewDetails:
        return await self.ask(ReadReview(review=id_), ReviewDetails)

    async def decide(self, id_: str, by: str, decision: ReviewDecision = _APPROVED) -> Review:
        return await self.ask(DecideReview(review=id_, decision=decision, actor=actor(by)), Review)

    async def kinds(self, id_: str) -> list[str]:
        return [entry.act.kind for entry in (await self.read(id_)).trail]


@pytest_asyncio.fixture(loop_scope="session")
async def reviews(fresh_nats_server: NatsServer, tmp_path: Path, eventually: Eventually) -> AsyncIterator[Reviews]:
    async with (
        orchestrator_world(fresh_nats_server, tmp_path) as world,
        world.service(),
        world.worker(),
    ):
        yield Reviews(world, eventually)


async def test_a_decision_continues_the_run_at_once(reviews: Reviews) -> None:
    await reviews.put("ann")
    review = await reviews.begin()
    assert (review.reviewer, review.input_data) == ("ann", {"text": "draft"})
    decision = ReviewDecision(decision="approve", edited=EditedData(value={"text": "final"}))
    decided = await reviews.decide(review.id, "ann", decision)
    assert decided.status is ReviewStatus.DECIDED
    told = await reviews.world.client.run(review.run)
    assert states(told)["draft"] is TaskState.SUCCEEDED, "the answer comes when the run has the decision"
    report = await reviews.world.end_of(review.run)
    assert (report.state, report.results) == (PipelineRunState.SUCCEEDED, {"text": "final"})
    assert await reviews.decide(review.id, "ann", decision) == decided, "the same decision again changes nothing"
    statistics = await reviews.ask(ReadReviewStatistics(specialization="law"), ReviewStatistics)
    assert (statistics.total.decided, statistics.by_reviewer["ann"].decided_in_time) == (1, 1)
    assert (await reviews.ask(ReadReviewStatistics(specialization=""), ReviewStatistics)).total.decided == 0


async def test_what_is_refused_changes_nothing(reviews: Reviews) -> None:
    await reviews.put("ann")
    review = await reviews.begin()
    await reviews.put("bob")
    trail = await reviews.kinds(review.id)
    with pytest.raises(NotFoundError, match="no reviewer 'eve'"):
        await reviews.decide(review.id, "eve")
    with pytest.raises(ConflictError, match="lies with ann"):
        await reviews.decide(review.id, "bob")
    with pytest.raises(NotFoundError, match="no reviewer 'eve'"):
        await reviews.ask(DelegateReview(review=review.id, to="eve", actor=actor("ann")), Review)
    with pytest.raises(NotFoundError, match=r"no review 'none\.draft\.1'"):
        await reviews.decide("none.draft.1", "ann")
    assert await reviews.kinds(review.id) == trail
    await reviews.decide(review.id, "ann")
    for refused in (
        reviews.decide(review.id, "ann", ReviewDecision(decision="reject")),
        reviews.ask(DelegateReview(review=review.id, to="bob", actor=actor("ann")), Review),
        reviews.ask(ReassignReview(review=review.id, actor=actor("ann")), Review),
        reviews.ask(CommentReview(review=review.id, actor=actor("ann"), comment="too late"), Review),
    ):
        with pytest.raises(ConflictError, match=r"was decided \(approve\) by ann"):
            await refused
    assert await reviews.kinds(review.id) == [*trail, "decided"]


async def test_a_review_is_commented_on_and_goes_to_others(reviews: Reviews, eventually: Eventually) -> None:
    await reviews.put("ann")
    review = await reviews.begin()
    with pytest.raises(ConflictError, match="nobody else"):
        await reviews.ask(ReassignReview(review=review.id, actor=actor("ann")), Review)
    await reviews.put("bob")
    await reviews.ask(CommentReview(review=review.id, actor=actor("lead"), comment="look twice"), Review)
    reassigned = await reviews.ask(ReassignReview(review=review.id, actor=actor("lead"), comment="ill"), Review)
    assert reassigned.reviewer == "bob"
    delegated = await reviews.ask(DelegateReview(review=review.id, to="ann", actor=actor("bob")), Review)
    assert delegated.reviewer == "ann"
    assert await reviews.kinds(review.id) == ["asked", "assigned", "commented", "delegated", "delegated"]

    gone = await reviews.ask(DeactivateReviewer(reviewer="ann"), Reviewer)
    assert not gone.is_active
    assert await reviews.ask(DeactivateReviewer(reviewer="ann"), Reviewer) == gone
    assert (await reviews.read(review.id)).review.reviewer == "bob"
    listed = await reviews.ask(ListReviewers(), ReviewerList)
    assert [each.id for each in listed.reviewers] == ["bob"]
    everybody = await reviews.ask(ListReviewers(with_inactive=True), ReviewerList)
    assert [each.id for each in everybody.reviewers] == ["ann", "bob"]
    with pytest.raises(ConflictError, match="there is a reviewer 'bob' already"):
        await reviews.put("bob")
    present = await reviews.ask(ReadReviewer(reviewer="bob"), Reviewer)
    changed = present.model_copy(update={"max_concurrent_reviews": 1})
    assert (await reviews.ask(PutReviewer(reviewer=changed), Reviewer)).revision == present.revision + 1
    with pytest.raises(ConflictError, match="was changed since revision 1"):
        await reviews.ask(PutReviewer(reviewer=changed), Reviewer)


async def test_lists_go_on_where_a_page_ended(reviews: Reviews) -> None:
    await reviews.put("ann")
    asked = [await reviews.begin() for _ in range(3)]
    await reviews.decide(asked[0].id, "ann", ReviewDecision(decision="reject", comment="no"))
    newest_first = [review.id for review in reversed(asked)]
    first = await reviews.page(limit=2)
    second = await reviews.page(limit=2, cursor=first.next_cursor)
    assert [each.id for each in (*first.reviews, *second.reviews)] == newest_first
    assert second.next_cursor is None
    last = second.reviews[0]
    assert (last.status, last.decision, last.comment) == (ReviewStatus.DECIDED, "reject", "no")
    waiting = await reviews.page(statuses=(ReviewStatus.ASSIGNED,), reviewer="ann", specialization="law")
    assert [each.id for each in waiting.reviews] == newest_first[:2]
    assert (await reviews.page(specialization="")).reviews == ()
    assert (await reviews.page(deadline_before=datetime.now(UTC))).reviews == ()
    assert len((await reviews.page(deadline_before=datetime.now(UTC) + timedelta(days=365))).reviews) == len(asked)
    with pytest.raises(InvalidInputError, match="none that a page had"):
        await reviews.page(cursor="nonsense")
