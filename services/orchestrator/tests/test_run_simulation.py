"""Random pipelines in random worlds go on, and end, exactly as a naive simulation says."""

import heapq
import random
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sightwire_orchestrator.runs.actions import Action, AskForReview, SendOrder
from sightwire_orchestrator.runs.events import Message, ResultArrived, ReviewDecided

from services.orchestrator.tests.compared_runs import ComparedRun
from services.orchestrator.tests.random_pipelines import Odds, World, random_pipeline
from sightwire.contracts.pipelines import PipelineRunState, TaskError, TaskOrder, TaskResult

QUIET = Odds(fails_for_now=0.15, hangs=0.05, conditional=0.1, mapped=0.2, reviewed=0.05)
ROUGH = Odds(fails_for_now=0.2, fails_for_good=0.05, hangs=0.1, conditional=0.2, optional=0.6, mapped=0.3, reviewed=0.2)
CALM = Odds(conditional=0.3, mapped=0.3)

worlds = st.builds(World, seed=st.integers(0, 2**32), odds=st.sampled_from([QUIET, ROUGH, CALM]))
slow = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(
    world=worlds,
    tasks=st.integers(1, 40) | st.integers(1, 200),
    most_at_once=st.sampled_from([1, 2, 3, 10, 50]),
    timeout=st.sampled_from([None, None, 30.0, 300.0]),
    noise=st.integers(0, 2**32),
)
def test_runs_go_on_as_simulated(world, tasks, most_at_once, timeout, noise):
    definition = random_pipeline(world, tasks, most_at_once, timeout)
    run = ComparedRun(definition, random.Random(noise))
    Surroundings(world, random.Random(noise)).carry_to_its_end(run)


@pytest.mark.parametrize("odds", [QUIET, ROUGH, CALM], ids=["quiet", "rough", "calm"])
def test_pipelines_of_200_tasks_end_as_simulated(odds):
    world = World(seed=6, odds=odds)
    run = ComparedRun(random_pipeline(world, 200, 10, None), random.Random(6))
    Surroundings(world, random.Random(6)).carry_to_its_end(run)


@slow
@given(world=worlds, tasks=st.integers(1, 30), noise=st.integers(0, 2**32))
def test_what_a_run_gives_does_not_depend_on_the_order_of_events(world, tasks, noise):
    runs = []
    for most_at_once in (1, 3, 50):
        definition = random_pipeline(world, tasks, most_at_once, None)
        run = ComparedRun(definition, random.Random(noise))
        Surroundings(world, random.Random(noise + most_at_once)).carry_to_its_end(run)
        runs.append(run.carried)
    states = {run.run.state for run in runs}
    assert len(states) == 1
    if states == {PipelineRunState.SUCCEEDED}:
        assert runs[0].outputs() == runs[1].outputs() == runs[2].outputs()
        assert runs[0].states() == runs[1].states() == runs[2].states()


class Surroundings:
    """Workers and reviewers: each does after a while what the world says; some things arrive twice, or too late."""

    def __init__(self, world: World, noise: random.Random) -> None:
        self._world = world
        self._noise = noise
        self._coming: list[tuple[datetime, int, Message]] = []
        self._sent = 0

    def carry_to_its_end(self, run: ComparedRun) -> None:
        self._hear(run, run.news)
        while not run.is_over:
            wake_at = run.carried.wake_at
            if self._coming and (wake_at is None or self._coming[0][0] <= wake_at):
                at, _, message = heapq.heappop(self._coming)
                run.wait_until(at)
                run.take(message)
            else:
                assert wake_at is not None, "the run waits for nothing"
                run.wait_until(wake_at)
                run.wake()
            self._hear(run, run.news)
        for at, _, message in sorted(self._coming, key=lambda coming: coming[:2])[:20]:
            run.wait_until(at)
            assert not run.take(message)

    def _hear(self, run: ComparedRun, news: list[Action]) -> None:
        for action in news:
            if isinstance(action, SendOrder):
                self._work(run.now, action.order)
            elif isinstance(action, AskForReview):
                self._review(run.now, action)

    def _work(self, now: datetime, order: TaskOrder) -> None:
        unit = order.element or 0
        outcome, seconds = self._world.attempt(order.task, unit, order.attempt)
        if outcome == "hangs":
            if self._noise.random() < 0.5:
                return
            seconds += (order.deadline - now).total_seconds()
        error = None
        if outcome.startswith("fails"):
            error = TaskError(code="broken", detail=outcome, transient=outcome == "fails for now")
        output = None if error else self._world.output(order.task, unit, order.parameters)
        at = now + timedelta(seconds=seconds)
        self._send(
            at,
            ResultArrived(
                result=TaskResult(
                    run=order.run,
                    task=order.task,
                    element=order.element,
                    attempt=order.attempt,
                    worker="w1",
                    output=output,
                    error=error,
                    started_at=now,
                    ended_at=at,
                )
            ),
        )

    def _review(self, now: datetime, ask: AskForReview) -> None:
        decision, seconds = self._world.review(ask.task, ask.round)
        message = ReviewDecided(task=ask.task, round=ask.round, decision=decision, reviewer="ada", comment="hm")
        self._send(now + timedelta(seconds=seconds), message)

    def _send(self, at: datetime, message: Message) -> None:
        times = [at]
        while self._noise.random() < 0.2:
            times.append(at + timedelta(seconds=round(self._noise.uniform(0, 10), 3)))
        for time in times:
            self._sent += 1
            heapq.heappush(self._coming, (time, self._sent, message))
