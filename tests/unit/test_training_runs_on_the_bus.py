"""What became of runs, from what the stream has of them."""

import pytest

from sightwire.bus.training_runs import Told, summary
from sightwire.contracts.training import RunState, TrainingCompleted, TrainingProgress

_PROGRESS = TrainingProgress(run="a", step=7, steps=10, epoch=1, loss=0.5, seconds_left=3.0, measures={"recall": 0.4})
_COMPLETED = TrainingCompleted(run="a", state=RunState.COMPLETED, steps=10, bundle="/b", measures={"recall": 0.6})
_CANCELLED = TrainingCompleted(run="a", state=RunState.CANCELLED, request=2)
_FAILED = TrainingCompleted(run="a", state=RunState.FAILED, steps=8, reason="no room")


@pytest.mark.parametrize(
    ("told", "state", "step"),
    [
        (Told(1), "waiting", 0),
        (Told(1, progress=(2, _PROGRESS)), "running", 7),
        (Told(1, (2, _PROGRESS), (3, _COMPLETED)), "completed", 10),
        (Told(1, (2, _PROGRESS), (3, _FAILED)), "failed", 8),
        # Asked for again.
        (Told(4, (2, _PROGRESS), (3, _FAILED)), "waiting", 0),
        (Told(4, (5, _PROGRESS), (3, _FAILED)), "running", 7),
        (Told(4, (5, _PROGRESS), (6, _COMPLETED)), "completed", 10),
        # One that was completed already takes no step.
        (Told(4, (2, _PROGRESS), (5, _COMPLETED)), "completed", 10),
        # The end of the first request came after the second.
        (Told(2, (3, _PROGRESS), (4, _COMPLETED)), "completed", 10),
        (Told(2, (3, _PROGRESS), (4, _COMPLETED.model_copy(update={"request": 1}))), "running", 7),
        (Told(2, (3, _PROGRESS), (4, _COMPLETED.model_copy(update={"request": 2}))), "completed", 10),
        # Cancelled before a trainer began with it.
        (Told(2, None, (3, _CANCELLED)), "cancelled", 0),
        (Told(4, None, (3, _CANCELLED)), "waiting", 0),
    ],
)
def test_a_run_is_what_was_told_since_it_was_asked_for(told: Told, state: str, step: int) -> None:
    found = summary("a", told)
    assert (found.state, found.step) == (state, step)


def test_a_summary_has_what_people_ask_for() -> None:
    running = summary("a", Told(1, progress=(2, _PROGRESS)))
    assert (running.steps, running.loss, running.seconds_left, running.measures) == (10, 0.5, 3.0, {"recall": 0.4})
    completed = summary("a", Told(1, (2, _PROGRESS), (3, _COMPLETED)))
    assert (completed.bundle, completed.measures, completed.seconds_left) == ("/b", {"recall": 0.6}, None)
    assert summary("a", Told(1, None, (3, _FAILED))).reason == "no room"
