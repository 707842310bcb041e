"""What becomes of a run by messages that came together."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sightwire_orchestrator.execution.turns import Turn, take_turn
from sightwire_orchestrator.runs.actions import CancelAttempt, EndRun, SendOrder
from sightwire_orchestrator.runs.beginning import new_run
from sightwire_orchestrator.runs.events import Message, ResultArrived, RunCancelled, RunPaused, RunResumed
from sightwire_orchestrator.runs.plan import Plan

from sightwire.contracts.pipelines import PipelineDefinition, PipelineRunState, TaskResult, TaskState

START = datetime(2026, 11, 21, tzinfo=UTC)
PLAN = Plan.of(
    PipelineDefinition.model_validate(
        {
            "name": "p",
            "tasks": [
                {"name": "a", "type": "echo", "timeout": 10},
                {"name": "b", "type": "echo", "timeout": 10},
                {"name": "c", "type": "echo", "dependencies": ["a", "b"]},
            ],
        }
    )
)


def result(task: str, attempt: int = 1, **members: Any) -> ResultArrived:
    return ResultArrived(
        result=TaskResult(run="r", task=task, attempt=attempt, worker="w", started_at=START, ended_at=START, **members)
    )


def begun() -> Turn:
    return take_turn(PLAN, new_run(PLAN, "r", {}, START), (), START)


def later(*messages: Message, seconds: float) -> Turn:
    return take_turn(PLAN, begun().run, messages, START + timedelta(seconds=seconds))


def test_a_new_run_orders_what_waits_for_nothing_and_looks_again_at_the_first_deadline() -> None:
    turn = begun()
    assert [action.order.task for action in turn.actions if isinstance(action, SendOrder)] == ["a", "b"]
    assert turn.wake_at == START + timedelta(seconds=10)
    assert [happening.event.kind for happening in turn.happenings] == ["attempt_started"] * 2
    assert turn.run.sequence == 2


def test_results_that_come_together_are_one_change() -> None:
    turn = later(result("a"), result("b"), seconds=1)
    assert turn.refusals == (None, None)
    assert [happening.event.kind for happening in turn.happenings] == ["result_arrived"] * 2 + ["attempt_started"]
    assert {happening.at for happening in turn.happenings} == {START + timedelta(seconds=1)}


def test_results_that_waited_count_although_their_time_is_over() -> None:
    turn = later(result("a"), result("b"), seconds=60)
    assert {name: record.state for name, record in turn.run.tasks.items()} == {
        "a": TaskState.SUCCEEDED,
        "b": TaskState.SUCCEEDED,
        "c": TaskState.RUNNING,
    }


def test_an_attempt_without_a_result_times_out_beside_one_with() -> None:
    turn = later(result("a"), seconds=60)
    assert (turn.run.tasks["a"].state, turn.run.tasks["b"].state) == (TaskState.SUCCEEDED, TaskState.FAILED)
    cancelled = [action.task for action in turn.actions if isinstance(action, CancelAttempt)]
    assert cancelled == ["b"]
    assert any(isinstance(action, EndRun) for action in turn.actions)


def test_what_is_refused_leaves_the_others_as_they_are() -> None:
    turn = later(RunResumed(), result("a"), RunPaused(), RunPaused(), seconds=1)
    assert [refusal is None for refusal in turn.refusals] == [False, True, True, False]
    assert turn.run.state is PipelineRunState.PAUSED
    assert turn.run.tasks["a"].state is TaskState.SUCCEEDED


def test_a_result_that_comes_again_or_too_late_changes_nothing() -> None:
    ended = later(RunCancelled(), seconds=1).run
    turn = take_turn(PLAN, ended, (result("a"), result("a", attempt=2)), START + timedelta(seconds=2))
    assert turn.run is ended
    assert (turn.happenings, turn.actions, turn.refusals) == ((), (), (None, None))
