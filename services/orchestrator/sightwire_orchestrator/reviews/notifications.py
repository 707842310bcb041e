"""Whom an act concerns, and what is said to them. Decides only."""

from collections.abc import Iterator
from typing import Any

from sightwire.contracts.reviews import (
    Asked,
    Assigned,
    AuditEntry,
    Commented,
    Decided,
    Delegated,
    Escalated,
    NobodyFound,
    Released,
    Reminded,
    Review,
    ReviewNotification,
    Withdrawn,
)


def notifications_of(review: Review, entry: AuditEntry) -> Iterator[ReviewNotification]:
    """What is to be said about an act, with the review as it is after it."""
    match act := entry.act:
        case Asked() | Commented():
            return
        case Assigned():
            yield _notification(review, entry, "assigned", to=act.reviewer)
            if act.previous is not None:
                yield _notification(review, entry, "taken_away", to=act.previous)
        case Delegated():
            yield _notification(review, entry, "assigned", to=act.reviewer, comment=act.comment)
            if act.previous not in (None, entry.actor.name):
                yield _notification(review, entry, "taken_away", to=act.previous, comment=act.comment)
        case Released():
            yield _notification(review, entry, "taken_away", to=act.reviewer)
        case Reminded():
            yield _notification(review, entry, "reminder", to=act.reviewer)
        case Escalated():
            yield _notification(review, entry, "escalated", to=review.reviewer)
        case NobodyFound():
            yield _notification(review, entry, "nobody_found", to=None)
        case Decided():
            said = act.decision
            yield _notification(review, entry, "decided", to=None, comment=said.comment, decision=said.decision)
        case Withdrawn():
            yield _notification(review, entry, "withdrawn", to=review.reviewer)


def _notification(review: Review, entry: AuditEntry, kind: str, *, to: str | None, **said: Any) -> ReviewNotification:
    return ReviewNotification.model_validate(
        {
            "id": f"{review.id}.{entry.sequence}.{kind}",
            "kind": kind,
            "at": entry.at,
            "to": to,
            "review": review.id,
            "run": review.run,
            "pipeline": review.pipeline,
            "task_name": review.task_name,
            "priority": review.priority,
            "deadline": review.deadline,
            "reviewer": review.reviewer,
            "instructions": review.instructions,
            **said,
        }
    )
