"""A run that is carried on beside a naive simulation of itself: both are told the same, and must do the same."""

import random
from datetime import datetime

import pytest
from sightwire_orchestrator.runs.actions import Action, CancelAttempt, Note, SendOrder, WakeAt
from sightwire_orchestrator.runs.applying import apply
from sightwire_orchestrator.runs.deciding import decide
from sightwire_orchestrator.runs.events import (
    Event,
    Message,
    ResultArrived,
    ReviewDecided,
    RunCancelled,
    RunPaused,
    RunResumed,
    RunRetried,
)
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.runs.stepping import Step, step

from services.orchestrator.tests.carried_runs import NOON, CarriedRun, said
from services.orchestrator.tests.naive_run import NaiveRun
from services.orchestrator.tests.random_pipelines import parameters_of, texts_of
from sightwire.contracts.pipelines import PipelineDefinition, PipelineRunState, TaskResult
from sightwire.errors import ConflictError

SETTLED = {"succeeded", "skipped", "failed"}


class ComparedRun:
    """Both runs, and what anyone outside would see of them."""

    def __init__(self, definition: PipelineDefinition, noise: random.Random) -> None:
        self.definition = definition
        self.naive = NaiveRun(definition, texts_of(definition), NOON)
        self.carried = CarriedRun(definition, by=CrashingStepper(noise))
        #: Attempts that were ordered and neither ended nor cancelled.
        self.running: set[tuple[str, int, int]] = set()
        self._sent: set[tuple[str, int, int]] = set()
        self._compared = 0
        self.news = self._compare()

    @property
    def now(self) -> datetime:
        return self.carried.now

    @property
    def is_over(self) -> bool:
        return self.carried.run.state.is_final

    def wait_until(self, at: datetime) -> None:
        """The clock goes on; whoever wants to be woken meanwhile is not."""
        assert at >= self.now
        self.carried.now = at

    def wake(self) -> None:
        """Nothing came but time."""
        self.naive.look(self.now)
        self.carried.tell(None)
        self.news = self._compare()

    def take(self, message: Message) -> bool:
        """Tells both; whether it was of use. `news` is then what is to be done."""
        before = self.carried.run
        is_of_use = _tell_naively(self.naive, message, self.now)
        if is_of_use:
            self.carried.tell(message)
            assert self.carried.run.sequence > before.sequence
            if isinstance(message, ResultArrived):
                self.running.discard(_key(message.result))
        elif isinstance(message, ResultArrived):
            # Time may have brought something.
            self.naive.look(self.now)
            self.carried.tell(message)
        else:
            with pytest.raises(ConflictError):
                self.carried.tell(message)
        self.news = self._compare()
        return is_of_use

    def _compare(self) -> list[Action]:
        news = self.carried.actions[self._compared :]
        assert said(news) == self.naive.log[self._compared :]
        assert self.carried.states() == self.naive.states()
        assert self.carried.outputs() == self.naive.outputs()
        assert self.carried.run.state.value == self.naive.state
        assert self.carried.wake_at == self.naive.next_time(self.now)
        for action in news:
            self._look_at(action)
        self._compared += len(news)
        if self.is_over:
            self.running.clear()
            self._compare_ends()
        return news

    def _look_at(self, action: Action) -> None:
        if isinstance(action, CancelAttempt):
            self.running.discard((action.task, action.element or 0, action.attempt))
        if not isinstance(action, SendOrder):
            return
        order = action.order
        key = (order.task, order.element or 0, order.attempt)
        assert key not in self._sent, "an attempt was ordered twice"
        self._sent.add(key)
        self.running.add(key)
        assert len(self.running) <= self.definition.max_parallel_tasks
        states, outputs = self.carried.states(), self.carried.outputs()
        task = self.carried.plan.tasks[order.task]
        assert all(states[dependency] in SETTLED for dependency in task.dependencies)
        assert order.parameters == parameters_of(task, outputs, order.element or 0)

    def _compare_ends(self) -> None:
        run = self.carried.run
        assert run.ending is not None
        assert run.ending.task == self.naive.culprit
        if run.state is PipelineRunState.SUCCEEDED:
            assert run.results == {f"of_{name}": output for name, output in self.naive.outputs().items()}


class CrashingStepper:
    """`step`, or the same event by event, where the run may be stored and loaded again before any of them."""

    def __init__(self, noise: random.Random) -> None:
        self._noise = noise

    def __call__(self, plan: Plan, run: Run, now: datetime, message: Message | None) -> Step:
        if self._noise.random() < 0.5:
            return step(plan, run, now, message)
        events: list[Event] = []
        actions: list[Action] = []
        if message is not None:
            after = apply(plan, run, message, now)
            events += [] if after is run else [message]
            run = after
        while True:
            decided = decide(plan, run, now)
            if self._noise.random() < 0.1:
                run = Run.model_validate_json(run.model_dump_json())
                assert decide(plan, run, now) == decided
            until_event = _until_first_event(decided)
            actions += [action for action in until_event if not isinstance(action, Note | WakeAt)]
            event = until_event[-1].event if until_event else None
            if event is None:
                wake_at = next((action.at for action in decided if isinstance(action, WakeAt)), None)
                return Step(run, tuple(events), tuple(actions), wake_at)
            run = apply(plan, run, event, now)
            events.append(event)


def _until_first_event(decided: tuple[Action, ...]) -> tuple[Action, ...]:
    first = next((place for place, action in enumerate(decided) if action.event is not None), len(decided))
    return decided[: first + 1]


def _key(result: TaskResult) -> tuple[str, int, int]:
    return result.task, result.element or 0, result.attempt


def _tell_naively(naive: NaiveRun, message: Message, now: datetime) -> bool:
    match message:
        case ResultArrived(result=result):
            failure = None if result.error is None else "transient" if result.error.transient else "for good"
            return naive.take_result(now, _key(result), result.output, failure)
        case ReviewDecided():
            edited = None if message.edited is None else message.edited.value
            return naive.review(now, message.task, message.round, message.decision, edited)
        case RunPaused():
            return naive.pause(now)
        case RunResumed():
            return naive.resume(now)
        case RunCancelled():
            return naive.cancel(now)
        case RunRetried():
            return naive.retry(now)
