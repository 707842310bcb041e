"""What acts make of a review. A review is what its acts, applied one after the other, made of its request."""

from datetime import datetime
from typing import Any

from sightwire.contracts.reviews import (
    Act,
    Asked,
    Assigned,
    Commented,
    Decided,
    Delegated,
    Escalated,
    NobodyFound,
    Released,
    Reminded,
    Review,
    ReviewerId,
    ReviewRequest,
    ReviewStatus,
    Withdrawn,
)


def begin(request: ReviewRequest) -> Review:
    """A review to which nothing has happened yet."""
    return Review(**{name: getattr(request, name) for name in ReviewRequest.model_fields})


def apply(review: Review, act: Act, at: datetime) -> Review:
    """The review after an act, which whoever acts has found allowed."""
    assert review.status.is_open, f"review {review.id} has ended as {review.status}, and {act.kind} comes after"
    return review.model_copy(update={**_changes(review, act, at), "sequence": review.sequence + 1})


def _changes(review: Review, act: Act, at: datetime) -> dict[str, Any]:
    match act:
        case Asked() | Commented():
            return {}
        case Assigned():
            return _with_reviewer(review, act.reviewer, at)
        case Delegated():
            return _with_reviewer(review, act.reviewer, at)
        case NobodyFound():
            return {"is_unmet": True}
        case Reminded():
            return {"reminded_at": at}
        case Escalated():
            is_elsewhere = act.to != review.reviewer
            return {"escalations": act.step, "is_seeking": is_elsewhere, "is_unmet": False, "reminded_at": at}
        case Released():
            return {
                "status": ReviewStatus.WAITING,
                "reviewer": None,
                "assigned_at": None,
                "is_seeking": True,
                "is_unmet": False,
                "passed_on_by": review.passed_on_by | {act.reviewer},
            }
        case Decided():
            return {
                "status": ReviewStatus.DECIDED,
                "decision": act.decision,
                "is_seeking": False,
                "ended_at": at,
            }
        case Withdrawn():
            return {"status": ReviewStatus.WITHDRAWN, "is_seeking": False, "ended_at": at}


def _with_reviewer(review: Review, reviewer: ReviewerId, at: datetime) -> dict[str, Any]:
    before = frozenset() if review.reviewer is None else frozenset({review.reviewer})
    return {
        "status": ReviewStatus.ASSIGNED,
        "reviewer": reviewer,
        "assigned_at": at,
        "is_seeking": False,
        "is_unmet": False,
        "passed_on_by": (review.passed_on_by | before) - {reviewer},
    }
