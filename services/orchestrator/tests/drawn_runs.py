"""Pipelines drawn at random that real workers carry out, and how a naive simulation says that they end.

How a run ends must not depend on how fast anybody is, so all tasks are optional, and only tasks that never succeed have
short timeouts: whether an attempt of theirs fails or comes too late is the same.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from services.orchestrator.tests.naive_run import NaiveRun
from services.orchestrator.tests.random_pipelines import (
    Odds,
    Outcome,
    World,
    parameters_of,
    random_pipeline,
    texts_of,
)
from sightwire.contracts.pipelines import PipelineDefinition, RetryPolicy, TaskDefinition

DRAWN_TYPE = "drawn"
_ODDS = Odds(fails_for_now=0.2, fails_for_good=0.05, hangs=0.05, conditional=0.15, optional=1.0, mapped=0.2)
_NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
#: For what never succeeds; enough for an order to be taken, mostly.
_SHORT_SECONDS = 1.0
#: Far longer than it takes until what a killed worker had is delivered again.
_LONG_SECONDS = 600.0
_AT_ONCE = 12


@dataclass(frozen=True)
class Ended:
    """How a task ends."""

    state: str
    #: In all, of all its elements.
    attempts: int
    output: JsonValue


@dataclass(frozen=True)
class DrawnRun:
    """A definition, and how a run of it ends."""

    definition: dict[str, Any]
    ends: dict[str, Ended]

    @property
    def results(self) -> dict[str, JsonValue]:
        return {f"of_{name}": end.output for name, end in self.ends.items()}


def draw(seed: int, tasks: int) -> DrawnRun:
    """A pipeline, and how it ends."""
    world = _world(seed)
    drawn = random_pipeline(world, tasks, _AT_ONCE, None)
    on_the_bus = tuple(_on_the_bus(world, task) for task in drawn.tasks)
    definition = drawn.model_copy(update={"name": f"drawn-{seed}", "tasks": on_the_bus})
    return DrawnRun(definition.model_dump(mode="json", exclude_defaults=True), _simulated(world, definition))


def outcome(pipeline: str, task: str, element: int | None, attempt: int) -> Outcome:
    """How an attempt comes out, in whichever process."""
    return _outcome(_world(int(pipeline.rpartition("-")[2])), task, element, attempt)


def output(pipeline: str, task: str, element: int | None, parameters: dict[str, JsonValue]) -> JsonValue:
    """What an attempt that succeeds gives."""
    return _world(int(pipeline.rpartition("-")[2])).output(task, element or 0, parameters)


def _world(seed: int) -> World:
    return World(seed, _ODDS)


def _outcome(world: World, task: str, element: int | None, attempt: int) -> Outcome:
    said, _ = world.attempt(task, element or 0, attempt)
    if element is None and _never_succeeds(world, task):
        return said if said == "hangs" else "fails for now"
    return "fails for now" if said == "hangs" else said


def _never_succeeds(world: World, task: str) -> bool:
    return world.attempt(task, 0, 1)[0] == "hangs"


def _on_the_bus(world: World, task: TaskDefinition) -> TaskDefinition:
    is_short = task.map is None and _never_succeeds(world, task.name)
    retry = RetryPolicy(max_attempts=task.retry.max_attempts, initial_delay=0.05, max_delay=0.2)
    timeout = _SHORT_SECONDS if is_short else _LONG_SECONDS
    return task.model_copy(update={"type": DRAWN_TYPE, "timeout": timeout, "retry": retry})


def _simulated(world: World, definition: PipelineDefinition) -> dict[str, Ended]:
    run, now, heard = NaiveRun(definition, texts_of(definition), _NOON), _NOON, 0
    tasks = {task.name: task for task in definition.tasks}
    while not run.is_over:
        if heard == len(run.log):
            due = run.next_time(now)
            assert due is not None, "the run waits for nothing"
            now = due
            run.look(now)
            continue
        kind, name, index, attempt = (*run.log[heard], None, None, None)[:4]
        heard += 1
        if kind != "send":
            continue
        task = tasks[name]
        said = _outcome(world, name, None if task.map is None else index, attempt)
        if said != "hangs":
            made = world.output(name, index, parameters_of(task, run.outputs(), index))
            failure = {"succeeds": None, "fails for now": "transient", "fails for good": "for good"}[said]
            run.take_result(now, (name, index, attempt), made if failure is None else None, failure)
    assert run.state == "succeeded"
    return {
        name: Ended(state, sum(unit.attempt for unit in run.tasks[name].units or []), run.outputs()[name])
        for name, state in run.states().items()
    }
