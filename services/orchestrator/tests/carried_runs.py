"""Runs that tests carry on by hand, with a clock of their own."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue
from sightwire_orchestrator.runs.actions import Action, AskForReview, CancelAttempt, EndRun, SendOrder, WithdrawReview
from sightwire_orchestrator.runs.beginning import new_run
from sightwire_orchestrator.runs.draft import is_settled
from sightwire_orchestrator.runs.events import Message, ResultArrived, ReviewDecided
from sightwire_orchestrator.runs.pages import length_of, values_in
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.runs.stepping import Step, step

from sightwire.contracts.pipelines import PipelineDefinition, TaskError, TaskOrder, TaskResult, TaskState

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)

Key = tuple[str, int | None]
Stepper = Callable[[Plan, Run, datetime, Message | None], Step]


class CarriedRun:
    """A run, what was ordered of it and what else was said to the outside. After each step it is stored and loaded."""

    def __init__(
        self, definition: PipelineDefinition, parameters: Mapping[str, JsonValue] | None = None, by: Stepper = step
    ) -> None:
        self.plan = Plan.of(definition)
        self.now = NOON
        self.run = new_run(self.plan, "r1", parameters or {}, self.now)
        self.wake_at: datetime | None = None
        #: The last order of each unit.
        self.orders: dict[Key, TaskOrder] = {}
        self.actions: list[Action] = []
        self._by = by
        self.tell(None)

    def tell(self, message: Message | None) -> list[Action]:
        """What is to be done after the message."""
        made = self._by(self.plan, self.run, self.now, message)
        assert made.run.sequence == self.run.sequence + len(made.events)
        self.run = Run.model_validate_json(made.run.model_dump_json())
        assert self.run == made.run
        assert_consistent(self.plan, self.run)
        self.wake_at = made.wake_at
        for action in made.actions:
            if isinstance(action, SendOrder):
                self.orders[action.order.task, action.order.element] = action.order
        self.actions += made.actions
        return list(made.actions)

    def pass_seconds(self, seconds: float) -> list[Action]:
        """Lets time pass, waking whenever the run wants to be woken."""
        actions = []
        until = self.now + timedelta(seconds=seconds)
        while self.wake_at is not None and self.wake_at <= until:
            self.now = max(self.now, self.wake_at)
            actions += self.tell(None)
        self.now = until
        return actions

    def succeed(self, task: str, output: JsonValue = None, element: int | None = None) -> list[Action]:
        """The last attempt gives this output."""
        return self.tell(self.result(task, element, output=output))

    def fail(self, task: str, element: int | None = None, *, transient: bool = False) -> list[Action]:
        """The last attempt fails."""
        error = TaskError(code="broken", detail="it broke", transient=transient)
        return self.tell(self.result(task, element, error=error))

    def result(self, task: str, element: int | None = None, **values: Any) -> ResultArrived:
        """A result of the last attempt, or of the one given as `attempt`."""
        order = self.orders[task, element]
        of_attempt = {"attempt": order.attempt, "worker": "w1", "started_at": self.now, "ended_at": self.now} | values
        return ResultArrived(result=TaskResult(run=order.run, task=task, element=element, **of_attempt))

    def review(self, task: str, decision: Any, **values: Any) -> list[Action]:
        """Decides about the review that is asked for now, or the one given as `round`."""
        review = self.run.tasks[task].review
        assert review is not None
        event = {"round": review.round, "reviewer": "ada"} | values
        return self.tell(ReviewDecided(task=task, decision=decision, **event))

    def states(self) -> dict[str, str]:
        """How the tasks stand."""
        return {name: record.state.value for name, record in self.run.tasks.items()}

    def outputs(self) -> dict[str, JsonValue]:
        """What the tasks gave."""
        return {name: record.output for name, record in self.run.tasks.items()}


def said(actions: Iterable[Action]) -> list[tuple[Any, ...]]:
    """Actions in a shape that reads well in a test: `("send", task, element, attempt)`."""
    return [_said(action) for action in actions]


def _said(action: Action) -> tuple[Any, ...]:
    match action:
        case SendOrder(order=order):
            return ("send", order.task, order.element or 0, order.attempt)
        case CancelAttempt():
            return ("cancel", action.task, action.element or 0, action.attempt)
        case AskForReview():
            return ("ask", action.task, action.round)
        case WithdrawReview():
            return ("withdraw", action.task, action.round)
        case EndRun():
            return ("end", action.ending.state.value)
        case _:
            raise AssertionError(f"{action} is not for the outside")


def assert_consistent(plan: Plan, run: Run) -> None:
    """All counts and lists of a run agree with the states of its tasks and units."""
    settled = {name for name, task in plan.tasks.items() if is_settled(task, run.tasks[name])}
    final = {name for name, record in run.tasks.items() if record.state.is_final}
    assert len(run.deadlines) <= plan.definition.max_parallel_tasks
    assert list(run.deadlines) == sorted(run.deadlines)
    assert list(run.retries) == sorted(run.retries)
    assert sorted((due.task, due.unit) for due in run.deadlines) == _units_in(run, TaskState.RUNNING)
    assert sorted((due.task, due.unit) for due in run.retries) == _units_in(run, TaskState.RETRYING)
    for name, record in run.tasks.items():
        units = list(values_in(record.units))
        assert length_of(record.units) == len(units)
        assert record.state is not TaskState.RUNNING or plan.dependencies[name] <= settled
        if not run.state.is_final:
            assert record.open_dependencies == len(plan.dependencies[name] - settled)
            done = sum(unit.state in {TaskState.SUCCEEDED, TaskState.FAILED} for unit in units)
            assert record.state.is_final or record.open_units == (record.size or 0) - done
    if run.state.is_final:
        assert not run.deadlines + run.retries
        assert final == set(run.tasks)
        return
    assert run.unfinished == len(run.tasks) - len(settled)
    assert run.reviews_due == ()
    assert run.ready == tuple(
        plan.positions[name]
        for name, record in run.tasks.items()
        if plan.dependencies[name] <= settled and _has_units_that_wait(plan, run, name)
    )


def _has_units_that_wait(plan: Plan, run: Run, name: str) -> bool:
    record = run.tasks[name]
    if record.state.is_final or record.state is TaskState.IN_REVIEW:
        return False
    if record.size is None:
        return True
    return any(record.unit(index).state is TaskState.WAITING for index in range(record.size))


def _units_in(run: Run, state: TaskState) -> list[tuple[str, int]]:
    return sorted(
        (name, index)
        for name, record in run.tasks.items()
        for index, unit in enumerate(values_in(record.units))
        if unit.state is state
    )
