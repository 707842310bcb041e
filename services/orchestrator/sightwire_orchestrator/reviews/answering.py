"""What people may do with a review. Decides only."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sightwire.contracts.reviews import (
    Actor,
    Commented,
    Decided,
    Delegated,
    Review,
    ReviewDecision,
    Reviewer,
    ReviewerId,
)
from sightwire.errors import ConflictError
from sightwire_orchestrator.reviews.assigning import Workload, assign, has_room
from sightwire_orchestrator.reviews.availability import is_reachable
from sightwire_orchestrator.reviews.recording import Change, record


def decide(review: Review, decision: ReviewDecision, actor: Actor, now: datetime) -> Change:
    """A reviewer's decision; nothing, when the same one said the same before.

    Raises:
        ConflictError: the review has ended otherwise, or lies with somebody else.
    """
    if not review.status.is_open:
        if review.decision == decision and review.reviewer == actor.name:
            return record(review, (), actor, now)
        raise ConflictError(f"review {review.id} was {_end_of(review)} and takes no decision any more")
    if review.reviewer != actor.name:
        raise ConflictError(
            f"review {review.id} lies with {review.reviewer or 'nobody'}, and {actor.name} cannot decide about it; "
            "delegate it first"
        )
    return record(review, (Decided(reviewer=actor.name, decision=decision),), actor, now)


def delegate(
    review: Review, to: Reviewer, workload: Workload, actor: Actor, now: datetime, *, comment: str = ""
) -> Change:
    """Gives a review to somebody; nothing, when that one has it. Specialization and hours are the actor's matter.

    Args:
        review: as it stands.
        to: who is to have it.
        workload: of that one.
        actor: who gives it: its reviewer, or whoever shares out work.
        now: aware.
        comment: for the one who gets it.

    Raises:
        ConflictError: the review has ended, or `to` is not there, or has as much to do as is allowed.
    """
    _refuse_ended(review)
    if review.reviewer == to.id:
        return record(review, (), actor, now)
    if not is_reachable(to, now):
        raise ConflictError(f"{to.id} is {'absent' if to.is_active else 'inactive'}; delegate {review.id} to another")
    if not has_room(to, workload):
        raise ConflictError(
            f"{to.id} has {workload.open} reviews, and may have {to.max_concurrent_reviews}; delegate {review.id} to "
            "another"
        )
    act = Delegated(previous=review.reviewer, reviewer=to.id, comment=comment)
    return record(review, (act,), actor, now)


def reassign(
    review: Review,
    reviewers: Sequence[Reviewer],
    workload: Mapping[ReviewerId, Workload],
    actor: Actor,
    now: datetime,
    *,
    comment: str = "",
) -> Change:
    """Gives a review to whoever of the others suits best now; `workload` is that of all.

    Raises:
        ConflictError: the review has ended, or nobody else can take it.
    """
    _refuse_ended(review)
    chosen = assign(review, reviewers, workload, now)
    if chosen is None:
        raise ConflictError(f"there is nobody else who can take review {review.id} now")
    return record(review, (Delegated(previous=review.reviewer, reviewer=chosen, comment=comment),), actor, now)


def comment(review: Review, text: str, actor: Actor, now: datetime) -> Change:
    """Something that anyone says of an open review.

    Raises:
        ConflictError: the review has ended.
    """
    if not review.status.is_open:
        raise ConflictError(f"review {review.id} was {_end_of(review)} and takes no comments any more")
    return record(review, (Commented(comment=text),), actor, now)


def _refuse_ended(review: Review) -> None:
    if not review.status.is_open:
        raise ConflictError(f"review {review.id} was {_end_of(review)}; there is nothing to delegate")


def _end_of(review: Review) -> str:
    if review.decision is None:
        return "withdrawn"
    return f"decided ({review.decision.decision}) by {review.reviewer}"
