"""Answers requests on `control.reviews`, as long as this orchestrator is the active one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_never

from pydantic import BaseModel

from sightwire.bus.connection import Bus
from sightwire.bus.responding import Responder
from sightwire.contracts import subjects
from sightwire.contracts.review_control import (
    REVIEWS_REQUESTS,
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
    ReviewsRequest,
    ReviewSummary,
)
from sightwire.contracts.reviews import Review
from sightwire_orchestrator.reviews.opening import ReviewOffice
from sightwire_orchestrator.reviews.review_store import ReviewFilter


class ReviewsDesk:
    """Reviews and reviewers, for those who ask over the bus."""

    def __init__(self, bus: Bus, office: ReviewOffice) -> None:
        self._bus = bus
        self._desk = office.desk
        self._reviews = office.reviews
        self._reviewers = office.reviewers

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answers requests while the block runs."""
        responder = Responder(self._bus, subjects.CONTROL_REVIEWS, REVIEWS_REQUESTS, self.answer)
        async with responder.answering():
            yield

    async def answer(self, request: ReviewsRequest) -> BaseModel:
        """What is asked for; see `sightwire.contracts.review_control`."""
        match request:
            case ListReviewers():
                everybody = await self._reviewers.all()
                return ReviewerList(reviewers=tuple(one for one in everybody if one.is_active or request.with_inactive))
            case ReadReviewer():
                return await self._reviewers.get(request.reviewer)
            case PutReviewer():
                return await self._desk.put_reviewer(request.reviewer)
            case DeactivateReviewer():
                return await self._desk.deactivate(request.reviewer)
            case ListReviews():
                return await self._list(request)
            case ReadReview():
                # The trail last: it has at least what made the review what it is.
                review = await self._reviews.get(request.review)
                return ReviewDetails(review=review, trail=tuple(await self._reviews.trail(request.review)))
            case DecideReview():
                return await self._decide(request)
            case DelegateReview():
                return await self._desk.delegate(request.review, request.to, request.actor, comment=request.comment)
            case ReassignReview():
                return await self._desk.reassign(request.review, request.actor, comment=request.comment)
            case CommentReview():
                return await self._desk.add_comment(request.review, request.comment, request.actor)
            case ReadReviewStatistics():
                return await self._desk.statistics(
                    ReviewFilter(
                        reviewer=request.reviewer,
                        specialization=request.specialization,
                        asked_from=request.asked_from,
                        asked_before=request.asked_before,
                    )
                )
            case _:
                assert_never(request)

    async def _list(self, request: ListReviews) -> ReviewPage:
        wanted = ReviewFilter(
            statuses=frozenset(request.statuses),
            reviewer=request.reviewer,
            run=request.run,
            specialization=request.specialization,
            asked_from=request.asked_from,
            asked_before=request.asked_before,
            deadline_before=request.deadline_before,
        )
        found, next_cursor = await self._reviews.page(wanted, limit=request.limit, cursor=request.cursor)
        return ReviewPage(reviews=tuple(map(review_summary, found)), next_cursor=next_cursor)

    async def _decide(self, request: DecideReview) -> Review:
        # Who is not known is told so, rather than that the review lies with somebody else.
        await self._reviewers.get(request.actor.name)
        return await self._desk.decide(request.review, request.decision, request.actor)


def review_summary(review: Review) -> ReviewSummary:
    """A review as lists have it."""
    said = review.decision
    named = {name: getattr(review, name) for name in ReviewSummary.model_fields if name not in {"decision", "comment"}}
    return ReviewSummary(
        **named,
        decision=None if said is None else said.decision,
        comment="" if said is None else said.comment,
    )
