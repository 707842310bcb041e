"""What a step costs does not grow with the size of the run. Calls are counted: they are the same on any machine."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from sightwire_orchestrator.runs.beginning import new_run
from sightwire_orchestrator.runs.events import ResultArrived
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.runs.stepping import step

from services.orchestrator.tests.carried_runs import NOON
from sightwire.contracts.pipelines import PipelineDefinition, RetryPolicy, TaskDefinition, TaskError, TaskResult

RETRY = RetryPolicy(max_attempts=2)
BROKEN = TaskError(code="broken", detail="it broke", transient=True)
BROKEN = TaskError(code="broken", detail="it broke", transient=True)


def mapped(size: int) -> PipelineDefinition:
    task = TaskDefinition(name="t0", type="custom", map="{xs}", parameters={"x": "{item}"}, retry=RETRY)
    return PipelineDefinition(name="mapped", tasks=(task,), global_parameters={"xs": list(range(size))})


def wide(size: int) -> PipelineDefinition:
    return PipelineDefinition(
        name="wide", tasks=tuple(TaskDefinition(name=f"t{n}", type="custom", retry=RETRY) for n in range(size))
    )


def chain(size: int) -> PipelineDefinition:
    tasks = [TaskDefinition(name="t0", type="custom", retry=RETRY)]
    for n in range(1, size):
        parameters = {"before": f"{{t{n - 1}_output}}"}
        tasks.append(TaskDefinition(name=f"t{n}", type="custom", parameters=parameters))
    return PipelineDefinition(name="chain", tasks=tuple(tasks))


@pytest.mark.parametrize("shape", [mapped, wide, chain])
@pytest.mark.parametrize("error", [None, BROKEN], ids=["succeeds", "fails for now"])
def test_a_result_costs_the_same_in_a_run_of_any_size(shape, error):
    # Not to the call: texts that were read before are remembered.
    assert calls_for_first_result(shape(2000), error) == pytest.approx(
        calls_for_first_result(shape(50), error), rel=0.05
    )


def calls_for_first_result(definition: PipelineDefinition, error: TaskError | None) -> int:
    plan = Plan.of(definition)
    run = step(plan, new_run(plan, "r1", {}, NOON), NOON).run
    element = 0 if definition.tasks[0].map else None
    result = TaskResult(run="r1", task="t0", element=element, attempt=1, worker="w", error=error, started_at=NOON)
    after: list[Run] = []
    calls = count_calls(lambda: after.append(step(plan, run, NOON, ResultArrived(result=result)).run))
    assert after[0].sequence > run.sequence
    return calls


def count_calls(action: Callable[[], Any]) -> int:
    """How many functions written in Python are called, generators that go on included."""
    calls = 0

    def on_event(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        action()
    finally:
        sys.setprofile(before)
    return calls
