"""Who gets a review. Decides only.

Specialization first: who lacks it is not asked. Of those on duty who have room, the one with the smallest share of
that room taken; then the one who got fewest reviews lately; then the one who has waited longest for one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sightwire.contracts.reviews import PRIORITIES, Review, Reviewer, ReviewerId
from sightwire_orchestrator.reviews.availability import is_on_duty, is_reachable

#: What "lately" means.
LATELY: Final = timedelta(days=1)

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Workload:
    """What somebody has to do, and had lately."""

    open: int = 0
    lately: int = 0
    last_assigned_at: datetime | None = None

    def with_one_more(self, now: datetime) -> "Workload":
        """After one more assignment."""
        return replace(self, open=self.open + 1, lately=self.lately + 1, last_assigned_at=now)

    def with_one_less(self) -> "Workload":
        """After a review went to somebody else."""
        return replace(self, open=max(self.open - 1, 0))


def sought_for(review: Review) -> str:
    """Whom the review is to go to now: a specialization (empty: any), or what the last escalation names."""
    if not review.escalations:
        return review.specialization
    return review.escalation[review.escalations - 1].to


def assign(
    review: Review, reviewers: Iterable[Reviewer], workload: Mapping[ReviewerId, Workload], now: datetime
) -> ReviewerId | None:
    """Who is to get the review; None: nobody can take it now.

    A reviewer whom an escalation names gets it at any hour and with whatever else there is to do, unless absent. A
    review that nobody has may also go to whoever could have had it at first. Those who had it before come last.

    Args:
        review: open.
        reviewers: all; an id comes once.
        workload: of each; who is missing has nothing to do.
        now: aware.
    """
    others = [reviewer for reviewer in reviewers if reviewer.id != review.reviewer]
    sought = sought_for(review)
    if review.escalations:
        named = next((reviewer for reviewer in others if reviewer.id == sought), None)
        if named is not None and is_reachable(named, now):
            return named.id
    found = _best(review, others, sought, workload, now)
    if found is None and review.reviewer is None and sought != review.specialization:
        found = _best(review, others, review.specialization, workload, now)
    return found


def assign_all(
    reviews: Iterable[Review], reviewers: Sequence[Reviewer], workload: Mapping[ReviewerId, Workload], now: datetime
) -> Iterator[tuple[Review, ReviewerId | None]]:
    """Each review with who is to get it, the most pressing first: by priority, then deadline, then age."""
    present = dict(workload)
    for review in sorted(reviews, key=_pressure):
        chosen = assign(review, reviewers, present, now)
        if chosen is not None:
            present[chosen] = present.get(chosen, Workload()).with_one_more(now)
            if review.reviewer is not None:
                present[review.reviewer] = present.get(review.reviewer, Workload()).with_one_less()
        yield review, chosen


def has_room(reviewer: Reviewer, workload: Workload) -> bool:
    """Whether somebody may have one more."""
    return workload.open < reviewer.max_concurrent_reviews


def _best(
    review: Review, reviewers: Iterable[Reviewer], sought: str, workload: Mapping[ReviewerId, Workload], now: datetime
) -> ReviewerId | None:
    candidates = [
        reviewer
        for reviewer in reviewers
        if (not sought or sought in reviewer.specializations)
        and has_room(reviewer, workload.get(reviewer.id, Workload()))
        and is_on_duty(reviewer, now)
    ]

    def rank(reviewer: Reviewer) -> tuple[bool, float, int, datetime, str]:
        load = workload.get(reviewer.id, Workload())
        share = load.open / reviewer.max_concurrent_reviews
        had_it = reviewer.id in review.passed_on_by
        return had_it, share, load.lately, load.last_assigned_at or _NEVER, reviewer.id

    best = min(candidates, key=rank, default=None)
    return None if best is None else best.id


def _pressure(review: Review) -> tuple[int, datetime, datetime, str]:
    return PRIORITIES.index(review.priority), review.deadline, review.asked_at, review.id
