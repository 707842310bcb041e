"""Reviews, acts and notifications as rows, and back."""

from typing import Any, Final

from pydantic_core import from_json, to_json
from sqlalchemy import Row

from sightwire.contracts.reviews import (
    ACTS,
    Actor,
    Assigned,
    AuditEntry,
    Delegated,
    Review,
    ReviewRequest,
    ReviewStatus,
)
from sightwire_orchestrator.reviews.advancing import ReminderPolicy, next_look
from sightwire_orchestrator.reviews.statistics import ReviewTimes
from sightwire_orchestrator.reviews.tables import reviews

_OF_REQUEST: Final = frozenset(ReviewRequest.model_fields)
#: All of a review but its data.
COLUMNS_WITHOUT_DATA: Final = tuple(column for column in reviews.c if column.name != "input_data")
#: Of reviews, what statistics need.
TIME_COLUMNS: Final = tuple(
    reviews.c[name]
    for name in ("status", "reviewer", "specialization", "asked_at", "assigned_at", "deadline", "ended_at")
)


def new_row(review: Review, policy: ReminderPolicy) -> dict[str, Any]:
    """A row of `reviews`."""
    return {
        "id": review.id,
        "run": review.run,
        "specialization": review.specialization,
        "asked_at": review.asked_at,
        "deadline": review.deadline,
        "input_data": to_json(review.input_data).decode(),
        "request": review.model_dump_json(include=set(_OF_REQUEST - {"input_data"})),
        **changing_columns(review, policy),
    }


def changing_columns(review: Review, policy: ReminderPolicy) -> dict[str, Any]:
    """Those columns of a review that acts change."""
    return {
        "status": review.status.value,
        "reviewer": review.reviewer,
        "assigned_at": review.assigned_at,
        "ended_at": review.ended_at,
        "is_seeking": review.is_seeking,
        "next_look_at": next_look(review, policy),
        "untold_since": review.ended_at if review.status is ReviewStatus.DECIDED else None,
        "sequence": review.sequence,
        "standing": review.model_dump_json(exclude=set(_OF_REQUEST)),
    }


def review_of(row: Row[Any]) -> Review:
    """The review of a row, with null for data that were not selected."""
    data = row._mapping.get("input_data")
    document = from_json(row.request) | from_json(row.standing)
    return Review.model_validate(document | {"input_data": None if data is None else from_json(data)})


def act_row(entry: AuditEntry) -> dict[str, Any]:
    """A row of `review_acts`."""
    act = entry.act
    return {
        "review": entry.review,
        "sequence": entry.sequence,
        "kind": act.kind,
        "at": entry.at,
        "actor": entry.actor.name,
        "origin": entry.actor.origin,
        "reviewer": act.reviewer if isinstance(act, Assigned | Delegated) else None,
        "document": act.model_dump_json(),
    }


def entry_of(row: Row[Any]) -> AuditEntry:
    """The entry of the trail that a row of `review_acts` has."""
    return AuditEntry(
        review=row.review,
        sequence=row.sequence,
        at=row.at,
        actor=Actor(name=row.actor, origin=row.origin),
        act=ACTS.validate_json(row.document),
    )


def times_of(row: Row[Any]) -> ReviewTimes:
    """What statistics need of a row with `TIME_COLUMNS`."""
    return ReviewTimes(
        status=ReviewStatus(row.status),
        reviewer=row.reviewer,
        specialization=row.specialization,
        asked_at=row.asked_at,
        assigned_at=row.assigned_at,
        deadline=row.deadline,
        ended_at=row.ended_at,
    )
