"""What time alone does to a review: reminders and escalation. Decides only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sightwire.contracts.reviews import Act, Actor, Escalated, Reminded, Review
from sightwire_orchestrator.reviews.recording import Change, record

#: Who does what nobody asked for.
DESK: Final = Actor(name="review desk", origin="orchestrator")


@dataclass(frozen=True, slots=True)
class ReminderPolicy:
    """When a reviewer is reminded."""

    #: Of the time from asking to the deadline, ascending.
    shares: tuple[float, ...] = (0.5, 0.9, 1.0)
    #: After the deadline, again and again.
    repeat: timedelta = timedelta(days=1)


DEFAULT_REMINDERS: Final = ReminderPolicy()

#: Ten years; definitions may say any number.
_LONGEST_SECONDS: Final = 315_360_000.0


def moment_after(start: datetime, seconds: float) -> datetime:
    """So many seconds later, at most ten years."""
    return start + timedelta(seconds=min(seconds, _LONGEST_SECONDS))


def advance(review: Review, now: datetime, policy: ReminderPolicy = DEFAULT_REMINDERS) -> Change:
    """What is due. Of missed reminders one is sent; of missed escalations each is recorded, and the last one counts.

    Args:
        review: as it stands.
        now: aware.
        policy: of reminders.
    """
    return record(review, tuple(_due_acts(review, now, policy)), DESK, now)


def next_look(review: Review, policy: ReminderPolicy = DEFAULT_REMINDERS) -> datetime | None:
    """When `advance` has something to do; None: never."""
    if not review.status.is_open:
        return None
    due = [
        at for at in (_next_reminder(review, policy), _next_escalation(review, review.escalations)) if at is not None
    ]
    return min(due, default=None)


def _due_acts(review: Review, now: datetime, policy: ReminderPolicy) -> Iterator[Act]:
    if not review.status.is_open:
        return
    step = review.escalations
    while (at := _next_escalation(review, step)) is not None and at <= now:
        yield Escalated(step=step + 1, to=review.escalation[step].to)
        step += 1
    if step > review.escalations:
        return  # which reminds, too
    reminder = _next_reminder(review, policy)
    if review.reviewer is not None and reminder is not None and reminder <= now:
        yield Reminded(reviewer=review.reviewer)


def _next_escalation(review: Review, taken: int) -> datetime | None:
    if taken >= len(review.escalation):
        return None
    return moment_after(review.deadline, review.escalation[taken].after)


def _next_reminder(review: Review, policy: ReminderPolicy) -> datetime | None:
    """The first one after the review was assigned, or its reviewer was reminded."""
    if review.assigned_at is None:
        return None
    since = max(review.assigned_at, review.reminded_at or review.assigned_at)
    for share in policy.shares:
        at = review.asked_at + (review.deadline - review.asked_at) * share
        if at > since:
            return at
    repeats_so_far = max((since - review.deadline) // policy.repeat, 0)
    return review.deadline + (repeats_so_far + 1) * policy.repeat
