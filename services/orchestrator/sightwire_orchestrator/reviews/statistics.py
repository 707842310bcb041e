"""How reviews went against their deadlines. Decides only."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sightwire.contracts.reviews import ReviewerId, ReviewFigures, ReviewStatistics, ReviewStatus


@dataclass(frozen=True, slots=True)
class ReviewTimes:
    """Of a review, what statistics need."""

    status: ReviewStatus
    reviewer: ReviewerId | None
    specialization: str
    asked_at: datetime
    #: To the reviewer that it has.
    assigned_at: datetime | None
    deadline: datetime
    ended_at: datetime | None

    @property
    def end_of_decided(self) -> datetime | None:
        return self.ended_at if self.status is ReviewStatus.DECIDED else None


def statistics_of(reviews: Iterable[ReviewTimes], now: datetime) -> ReviewStatistics:
    """Figures of reviews; open ones are late when `now` is after their deadline."""
    everything = tuple(reviews)
    by_reviewer: dict[ReviewerId, list[ReviewTimes]] = defaultdict(list)
    by_specialization: dict[str, list[ReviewTimes]] = defaultdict(list)
    for review in everything:
        by_specialization[review.specialization].append(review)
        if review.reviewer is not None:
            by_reviewer[review.reviewer].append(review)
    return ReviewStatistics(
        total=_figures(everything, now, _since_asked),
        by_reviewer={id_: _figures(theirs, now, _since_assigned) for id_, theirs in sorted(by_reviewer.items())},
        by_specialization={name: _figures(some, now, _since_asked) for name, some in sorted(by_specialization.items())},
    )


def _since_asked(review: ReviewTimes) -> datetime:
    return review.asked_at


def _since_assigned(review: ReviewTimes) -> datetime:
    return review.assigned_at or review.asked_at


def _figures(reviews: Sequence[ReviewTimes], now: datetime, begin: Callable[[ReviewTimes], datetime]) -> ReviewFigures:
    ends = [(review, review.end_of_decided) for review in reviews]
    decided = [(review, end) for review, end in ends if end is not None]
    late = sum(end > review.deadline for review, end in decided)
    unended = [review for review in reviews if review.status.is_open]
    return ReviewFigures(
        decided=len(decided),
        decided_in_time=len(decided) - late,
        decided_late=late,
        withdrawn=sum(review.status is ReviewStatus.WITHDRAWN for review in reviews),
        open=len(unended),
        open_late=sum(now > review.deadline for review in unended),
        median_seconds_to_decision=(
            median((end - begin(review)).total_seconds() for review, end in decided) if decided else None
        ),
    )
