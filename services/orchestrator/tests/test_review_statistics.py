"""How reviews went against their deadlines."""

from datetime import datetime
from statistics import median

from hypothesis import given
from hypothesis import strategies as st
from sightwire_orchestrator.reviews.statistics import ReviewTimes, statistics_of

from services.orchestrator.tests.asked_reviews import HOUR, NOON, after
from sightwire.contracts.reviews import ReviewStatus

DECIDED, WITHDRAWN, ASSIGNED = ReviewStatus.DECIDED, ReviewStatus.WITHDRAWN, ReviewStatus.ASSIGNED


def times(
    status: ReviewStatus,
    ended: float | None = None,
    *,
    reviewer: str | None = "ada",
    specialization: str = "law",
    assigned: float = 1,
) -> ReviewTimes:
    """A review of noon with ten hours; hours after noon."""
    ended_at: datetime | None = None if ended is None else after(ended)
    return ReviewTimes(status, reviewer, specialization, NOON, after(assigned), after(10), ended_at)


def test_figures_in_all_by_reviewer_and_by_specialization():
    figures = statistics_of(
        [
            times(DECIDED, 3),
            times(DECIDED, 10),
            times(DECIDED, 11, assigned=9),
            times(WITHDRAWN, 5),
            times(ASSIGNED),
            times(DECIDED, 2, reviewer="bob", specialization=""),
            times(ReviewStatus.WAITING, reviewer=None, specialization=""),
        ],
        after(10.5),
    )
    total = figures.total
    assert (total.decided, total.decided_in_time, total.decided_late, total.withdrawn) == (4, 3, 1, 1)
    assert (total.open, total.open_late) == (2, 2)
    assert total.median_seconds_to_decision == 6.5 * 3600
    assert list(figures.by_reviewer) == ["ada", "bob"]
    assert figures.by_reviewer["ada"].median_seconds_to_decision == 2 * 3600, "of 2, 9 and 2 hours from the assignment"
    assert figures.by_reviewer["ada"].decided_late == 1
    assert list(figures.by_specialization) == ["", "law"]
    assert figures.by_specialization["law"].median_seconds_to_decision == 10 * 3600
    assert figures.by_specialization[""].open == 1


def test_of_nothing():
    figures = statistics_of([], NOON)
    assert (figures.total.decided, figures.total.median_seconds_to_decision) == (0, None)
    assert figures.by_reviewer == figures.by_specialization == {}


@given(
    st.lists(
        st.builds(
            times,
            st.sampled_from([DECIDED, WITHDRAWN]),
            st.floats(1, 20),
            reviewer=st.sampled_from(["ada", "bob", None]),
            specialization=st.sampled_from(["law", "art"]),
        )
        | st.builds(times, st.just(ASSIGNED)),
        max_size=30,
    )
)
def test_parts_make_up_the_whole(reviews):
    figures = statistics_of(reviews, after(15))
    total, parts = figures.total, figures.by_specialization.values()
    for name in ("decided", "decided_in_time", "decided_late", "withdrawn", "open", "open_late"):
        assert sum(getattr(part, name) for part in parts) == getattr(total, name)
    assert total.decided + total.withdrawn + total.open == len(reviews)
    waits = [each.ended_at - NOON for each in reviews if each.status is DECIDED and each.ended_at is not None]
    expected = median(wait / HOUR * 3600 for wait in waits) if waits else None
    if expected is None:
        assert total.median_seconds_to_decision is None
    else:
        assert total.median_seconds_to_decision is not None
        assert abs(total.median_seconds_to_decision - expected) < 0.001
