"""Whatever workers, reviewers and users do to a run, in whatever order, it does what a naive simulation does."""

import random
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sightwire_orchestrator.runs.events import (
    EditedOutput,
    ResultArrived,
    ReviewDecided,
    RunCancelled,
    RunPaused,
    RunResumed,
    RunRetried,
)

from services.orchestrator.tests.compared_runs import ComparedRun
from services.orchestrator.tests.random_pipelines import Odds, World, random_pipeline
from sightwire.contracts.pipelines import TaskError

ODDS = Odds(conditional=0.2, optional=0.4, mapped=0.4, reviewed=0.4)

numbers = st.integers(0, 1000)


class SteeredRun(RuleBasedStateMachine):
    """Both runs are compared after every step, see `ComparedRun`."""

    @initialize(
        seed=st.integers(0, 2**32),
        tasks=st.integers(1, 12),
        most_at_once=st.integers(1, 4),
        timeout=st.sampled_from([None, 10.0, 100.0]),
    )
    def begin(self, seed, tasks, most_at_once, timeout):
        self.world = World(seed, ODDS)
        self.run = ComparedRun(random_pipeline(self.world, tasks, most_at_once, timeout), random.Random(seed))
        self.past: list[ResultArrived] = []

    @precondition(lambda self: self.run.running)
    @rule(which=numbers, outcome=st.sampled_from(["succeeds", "succeeds", "fails for now", "fails for good"]))
    def answer(self, which, outcome):
        attempts = sorted(self.run.running)
        task, unit, attempt = attempts[which % len(attempts)]
        element = None if self.run.carried.plan.tasks[task].map is None else unit
        error = TaskError(code="broken", detail=outcome, transient=outcome == "fails for now")
        parameters = self.run.carried.orders[task, element].parameters
        values = {"output": self.world.output(task, unit, parameters)} if outcome == "succeeds" else {"error": error}
        message = self.run.carried.result(task, element, attempt=attempt, **values)
        assert self.run.take(message)
        self.past.append(message)

    @precondition(lambda self: self.past)
    @rule(which=numbers)
    def answer_again(self, which):
        assert not self.run.take(self.past[which % len(self.past)])

    @precondition(lambda self: "in_review" in self.run.naive.states().values())
    @rule(
        which=numbers,
        decision=st.sampled_from(["approve", "approve", "reject", "changes"]),
        edited=st.none() | st.builds(EditedOutput, st.lists(st.integers(0, 9), max_size=3)),
        is_late=st.booleans(),
    )
    def review(self, which, decision, edited, is_late):
        names = sorted(name for name, state in self.run.naive.states().items() if state == "in_review")
        name = names[which % len(names)]
        round_ = self.run.naive.tasks[name].round
        if is_late and round_ > 1:
            assert not self.run.take(ReviewDecided(task=name, round=round_ - 1, decision=decision, reviewer="bob"))
        message = ReviewDecided(task=name, round=round_, decision=decision, reviewer="ada", edited=edited)
        assert self.run.take(message)
        assert not self.run.take(message)

    @rule(seconds=st.floats(0.001, 20))
    def wait(self, seconds):
        until = self.run.now + timedelta(seconds=seconds)
        while (wake_at := self.run.carried.wake_at) is not None and wake_at <= until:
            self.run.wait_until(wake_at)
            self.run.wake()
        self.run.wait_until(until)

    @rule(message=st.sampled_from([RunPaused(), RunResumed(), RunResumed(), RunRetried(), RunRetried()]))
    def steer(self, message):
        self.run.take(message)

    @rule()
    def cancel(self):
        self.run.take(RunCancelled(by="ada"))


SteeredRun.TestCase.settings = settings(deadline=None, max_examples=150, stateful_step_count=60)
TestSteeredRun = SteeredRun.TestCase
