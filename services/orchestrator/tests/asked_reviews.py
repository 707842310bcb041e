"""Reviewers and reviews for tests, with a clock of their own."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sightwire_orchestrator.reviews.applying import begin
from sightwire_orchestrator.runs.actions import AskForReview

from sightwire.contracts.pipelines import ReviewDemand
from sightwire.contracts.reviews import Actor, Review, ReviewDecision, Reviewer, ReviewRequest

#: A Monday.
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

APPROVAL = ReviewDecision(decision="approve", comment="fine")


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def set(self, hours: float) -> None:
        """Hours after noon."""
        self.now = NOON + hours * HOUR


def after(hours: float) -> datetime:
    return NOON + hours * HOUR


def reviewer(id_: str, *specializations: str, **values: Any) -> Reviewer:
    named = {"id": id_, "name": id_.title(), "email": f"{id_}@example.org", "specializations": specializations}
    return Reviewer.model_validate(named | values)


def absent(start: float, end: float) -> dict[str, Any]:
    """An availability with an absence, in hours after noon."""
    return {"absences": [{"start": after(start), "end": after(end)}]}


def review(id_: str = "r1.judge.1", **values: Any) -> Review:
    """A new review of ten hours, changed as `values` say."""
    request = ReviewRequest(
        id=id_,
        run="r1",
        pipeline="p",
        task_name="judge",
        task_type="custom",
        round=1,
        input_data={"text": "a draft"},
        asked_at=NOON,
        deadline=after(10),
    )
    return Review.model_validate(begin(request).model_dump() | values)


def ask(run: str = "r1", task: str = "judge", round_: int = 1, **demand: Any) -> AskForReview:
    return AskForReview(
        run=run,
        task=task,
        round=round_,
        demand=ReviewDemand.model_validate({"deadline": 36_000} | demand),
        output={"text": "a draft"},
        last_comment=None,
    )


def actor(name: str) -> Actor:
    return Actor(name=name, origin="cli test")
