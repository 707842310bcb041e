"""Requests to the orchestrator on `control.reviews`, by NATS request and reply, JSON both ways.

What is refused comes as the code of its error: `not-found` (no such review or reviewer), `conflict` (the review has
ended, lies with somebody else, somebody was faster, and so on), `invalid-input`, `unavailable`. What is refused
changes nothing. A review is withdrawn when its run ends; there is no request for that.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from sightwire.contracts.pipelines import PipelineName, RunId, TaskName, TaskType
from sightwire.contracts.reviews import (
    Actor,
    AuditEntry,
    Priority,
    Review,
    ReviewDecision,
    Reviewer,
    ReviewerId,
    ReviewStatus,
)


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListReviewers(_Request):
    """Answered by a ReviewerList, by id."""

    ask: Literal["reviewers"] = "reviewers"
    with_inactive: bool = False


class ReadReviewer(_Request):
    """Answered by the Reviewer."""

    ask: Literal["reviewer"] = "reviewer"
    reviewer: ReviewerId


class PutReviewer(_Request):
    """Stores a profile: a new one (revision 0), or what became of one that was read. Answered by it as it is stored.

    Who is made inactive or absent loses reviews to others.
    """

    ask: Literal["put_reviewer"] = "put_reviewer"
    reviewer: Reviewer


class DeactivateReviewer(_Request):
    """A reviewer is no longer asked, and reviews go to others. Answered by the Reviewer."""

    ask: Literal["deactivate_reviewer"] = "deactivate_reviewer"
    reviewer: ReviewerId


class ListReviews(_Request):
    """Answered by a ReviewPage, those asked for last first."""

    ask: Literal["reviews"] = "reviews"
    statuses: tuple[ReviewStatus, ...] = ()
    reviewer: ReviewerId | None = Field(default=None, description="Who has it, or decided it")
    run: RunId | None = None
    specialization: str | None = Field(default=None, description="What it needs; empty: nothing particular")
    asked_from: AwareDatetime | None = None
    asked_before: AwareDatetime | None = None
    deadline_before: AwareDatetime | None = None
    limit: int = Field(default=50, ge=1, le=500)
    cursor: str | None = None


class ReadReview(_Request):
    """Answered by ReviewDetails: the review with its data, and the trail of all acts."""

    ask: Literal["review"] = "review"
    review: str


class DecideReview(_Request):
    """Stores the decision of the review's reviewer, who is the actor; its run goes on. Answered by the Review.

    The same decision again changes nothing.
    """

    ask: Literal["decide"] = "decide"
    review: str
    decision: ReviewDecision
    actor: Actor


class DelegateReview(_Request):
    """Gives an open review to another reviewer. Answered by the Review."""

    ask: Literal["delegate"] = "delegate"
    review: str
    to: ReviewerId
    actor: Actor
    comment: str = Field(default="", max_length=20_000)


class ReassignReview(_Request):
    """Gives an open review to whoever else suits best, as a new one is given to somebody. Answered by the Review."""

    ask: Literal["reassign"] = "reassign"
    review: str
    actor: Actor
    comment: str = Field(default="", max_length=20_000)


class CommentReview(_Request):
    """Adds a comment to the trail of an open review. Answered by the Review."""

    ask: Literal["comment"] = "comment"
    review: str
    actor: Actor
    comment: str = Field(min_length=1, max_length=20_000)


class ReadReviewStatistics(_Request):
    """Answered by ReviewStatistics: how reviews that were asked for in a time went against their deadlines."""

    ask: Literal["statistics"] = "statistics"
    reviewer: ReviewerId | None = None
    specialization: str | None = None
    asked_from: AwareDatetime | None = None
    asked_before: AwareDatetime | None = None


ReviewsRequest = (
    ListReviewers
    | ReadReviewer
    | PutReviewer
    | DeactivateReviewer
    | ListReviews
    | ReadReview
    | DecideReview
    | DelegateReview
    | ReassignReview
    | CommentReview
    | ReadReviewStatistics
)
REVIEWS_REQUESTS: TypeAdapter[ReviewsRequest] = TypeAdapter(Annotated[ReviewsRequest, Field(discriminator="ask")])


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class ReviewerList(_Answer):
    """Reviewers, by id."""

    reviewers: tuple[Reviewer, ...]


class ReviewSummary(_Answer):
    """A review in a list: without its data, and without what a reviewer made of them."""

    id: str
    run: RunId
    pipeline: PipelineName
    task_name: TaskName
    task_type: TaskType
    round: int
    instructions: str
    specialization: str
    priority: Priority
    status: ReviewStatus
    reviewer: ReviewerId | None
    asked_at: AwareDatetime
    assigned_at: AwareDatetime | None
    deadline: AwareDatetime
    escalations: int
    ended_at: AwareDatetime | None
    decision: Literal["approve", "reject", "changes"] | None = None
    #: Of the decision.
    comment: str = ""


class ReviewPage(_Answer):
    """Some reviews; `next_cursor` asks for those that follow."""

    reviews: tuple[ReviewSummary, ...]
    next_cursor: str | None = None


class ReviewDetails(_Answer):
    """A review and the trail of its acts, in order."""

    review: Review
    trail: tuple[AuditEntry, ...]
