"""What is to be done about open reviews when nobody did anything. Decides only."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sightwire.contracts.reviews import Review, Reviewer, ReviewerId
from sightwire_orchestrator.reviews.advancing import DEFAULT_REMINDERS, ReminderPolicy, advance
from sightwire_orchestrator.reviews.assigning import Workload, assign_all
from sightwire_orchestrator.reviews.placing import place, release
from sightwire_orchestrator.reviews.recording import Change


def tend(
    reviews: Iterable[Review],
    reviewers: Sequence[Reviewer],
    workload: Mapping[ReviewerId, Workload],
    now: datetime,
    policy: ReminderPolicy = DEFAULT_REMINDERS,
) -> list[Change]:
    """Takes reviews from those who are not there, reminds and escalates, and gives to others what is to move.

    Args:
        reviews: open ones; at least those that seek somebody, are due, or lie with somebody who is not there.
        reviewers: all of them.
        workload: of each, all open reviews counted.
        now: aware.
        policy: of reminders.
    """
    by_id = {reviewer.id: reviewer for reviewer in reviewers}
    loads = dict(workload)
    changes: dict[str, Change] = {}
    for review in reviews:
        released = release(review, by_id, now)
        if not released.is_empty and review.reviewer is not None:
            loads[review.reviewer] = loads.get(review.reviewer, Workload()).with_one_less()
        changes[review.id] = released.then(advance(released.after, now, policy))
    seeking = [change.after for change in changes.values() if change.after.is_seeking]
    for review, chosen in assign_all(seeking, reviewers, loads, now):
        changes[review.id] = changes[review.id].then(place(review, chosen, now))
    return [change for change in changes.values() if not change.is_empty]
