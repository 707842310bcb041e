"""How runs go on: what begins when, what is tried again, what ends a run."""

from datetime import timedelta
from typing import Any

import pytest
from sightwire_orchestrator.runs.actions import AskForReview, EndRun, SendOrder
from sightwire_orchestrator.runs.backoff import wait_before_retry
from sightwire_orchestrator.runs.deciding import decide
from sightwire_orchestrator.runs.events import EditedOutput, RunCancelled, RunPaused, RunResumed, RunRetried
from sightwire_orchestrator.runs.orders import running_orders

from services.orchestrator.tests.carried_runs import NOON, CarriedRun, said
from sightwire.contracts.pipelines import (
    Backoff,
    PipelineDefinition,
    PipelineRunState,
    RetryPolicy,
    ReviewDemand,
    TaskDefinition,
)
from sightwire.errors import ConflictError

TWICE = RetryPolicy(max_attempts=2, initial_delay=10, jitter=0)


def task(name: str, **values: Any) -> TaskDefinition:
    return TaskDefinition(name=name, type="custom", **values)


def carried(*tasks: TaskDefinition, parameters: dict[str, Any] | None = None, **values: Any) -> CarriedRun:
    return CarriedRun(PipelineDefinition(name="p", tasks=tasks, **values), parameters)


DIAMOND = (
    task("a"),
    task("b", parameters={"text": "{a_output.text}"}),
    task("c", dependencies=("a",)),
    task("d", parameters={"both": ["{b_output}", "{c_output}"]}),
)


def test_tasks_begin_when_all_that_they_depend_on_have_ended():
    run = carried(*DIAMOND, global_parameters={"output_mapping": {"answer": "{d_output}", "first": "{a_output.text}"}})
    assert said(run.actions) == [("send", "a", 0, 1)]
    assert said(run.succeed("a", {"text": "hello"})) == [("send", "b", 0, 1), ("send", "c", 0, 1)]
    assert run.orders["b", None].parameters == {"text": "hello"}
    assert said(run.succeed("c", 2)) == []
    assert said(run.succeed("b", 1)) == [("send", "d", 0, 1)]
    assert run.orders["d", None].parameters == {"both": [1, 2]}
    assert said(run.succeed("d", "done")) == [("end", "succeeded")]
    assert run.run.results == {"answer": "done", "first": "hello"}
    assert run.run.ended_at == NOON


def test_no_more_run_at_once_than_allowed_and_the_first_in_the_definition_begin_first():
    run = carried(*(task(name) for name in "abcde"), max_parallel_tasks=2)
    assert said(run.actions) == [("send", "a", 0, 1), ("send", "b", 0, 1)]
    assert said(run.succeed("b")) == [("send", "c", 0, 1)]
    assert said(run.fail("a")) == [("cancel", "c", 0, 1), ("end", "failed")]


def test_parameters_of_the_run_take_precedence_over_those_of_the_definition():
    run = carried(
        task("a", parameters={"x": "{x}", "y": "{y}"}), global_parameters={"x": 1, "y": 2}, parameters={"y": 3}
    )
    assert run.orders["a", None].parameters == {"x": 1, "y": 3}


def test_an_order_says_until_when_and_under_which_key():
    run = carried(task("a", timeout=30, idempotency_key="once-{x}", model="m"), global_parameters={"x": 7})
    order = run.orders["a", None]
    assert (order.idempotency_key, order.model, order.deadline) == ("once-7", "m", NOON + timedelta(seconds=30))


def test_a_result_that_comes_twice_counts_once():
    run = carried(*DIAMOND)
    result = run.result("a", output={"text": "first"})
    run.tell(result)
    before = run.run
    assert run.tell(result) == []
    assert run.tell(run.result("a", output={"text": "second"})) == []
    assert run.run == before


@pytest.mark.parametrize(
    "values", [{"attempt": 2}, {"run": "other"}, {"task": "nobody"}, {"element": 0}], ids=lambda values: str(values)
)
def test_results_of_what_was_not_ordered_change_nothing(values):
    run = carried(task("a"))
    message = run.result("a")
    stray = message.model_copy(update={"result": message.result.model_copy(update=values)})
    assert run.tell(stray) == []
    assert run.states() == {"a": "running"}


# Conditions


@pytest.mark.parametrize(("condition", "state"), [("x > 2", "succeeded"), ("x > 3", "skipped")])
def test_a_task_is_skipped_when_its_condition_is_false(condition, state):
    run = carried(
        task("a", condition=condition),
        task("b", parameters={"whole": "{a_output}", "part": "{a_output.text}"}),
        global_parameters={"x": 3},
    )
    if state == "succeeded":
        run.succeed("a", {"text": "t"})
    assert run.states()["a"] == state
    expected = {"whole": {"text": "t"}, "part": "t"} if state == "succeeded" else {"whole": None, "part": None}
    assert run.orders["b", None].parameters == expected


def test_a_run_of_which_all_is_skipped_succeeds():
    tasks = [task("t0", condition="false")]
    tasks += [task(f"t{i}", dependencies=(f"t{i - 1}",), condition="false") for i in range(1, 50)]
    run = carried(*tasks)
    assert said(run.actions) == [("end", "succeeded")]
    assert set(run.states().values()) == {"skipped"}


def test_a_condition_sees_outputs():
    run = carried(task("a"), task("b", condition="a_output.score > 0.5", dependencies=("a",)))
    run.succeed("a", {"score": 0.4})
    assert run.states() == {"a": "succeeded", "b": "skipped"}


def test_a_condition_that_makes_no_sense_fails_its_task():
    run = carried(task("a"), task("b", condition="a_output.score > 0.5", dependencies=("a",)))
    run.succeed("a", {"other": 1})
    assert run.states()["b"] == "failed"
    assert run.run.ending is not None
    assert run.run.ending.task == "b"


# Failures


def test_a_failed_task_ends_the_run():
    run = carried(task("a"), task("b"), task("c", dependencies=("a",)))
    assert said(run.fail("a")) == [("cancel", "b", 0, 1), ("end", "failed")]
    assert run.states() == {"a": "failed", "b": "cancelled", "c": "cancelled"}
    assert run.run.ending is not None
    assert run.run.ending.error is not None
    assert (run.run.ending.task, run.run.ending.error.code) == ("a", "broken")
    assert run.succeed("b") == []


def test_an_optional_task_may_fail():
    run = carried(task("a", optional=True), task("b", parameters={"x": "{a_output.text}"}))
    assert said(run.fail("a")) == [("send", "b", 0, 1)]
    assert run.orders["b", None].parameters == {"x": None}
    run.succeed("b")
    assert run.states() == {"a": "failed", "b": "succeeded"}
    assert run.run.state is PipelineRunState.SUCCEEDED


def test_a_reference_to_nothing_fails_its_task():
    run = carried(task("a"), task("b", parameters={"x": "{a_output.missing}"}))
    run.succeed("a", {"text": ""})
    assert run.states() == {"a": "succeeded", "b": "failed"}
    assert run.run.ending is not None
    assert run.run.ending.error is not None
    assert run.run.ending.error.code == "unresolved-reference"
    assert "missing" in run.run.ending.error.detail


def test_results_that_make_no_sense_fail_the_run():
    run = carried(task("a"), global_parameters={"output_mapping": {"x": "{a_output.missing}"}})
    assert said(run.succeed("a", {})) == [("end", "failed")]
    assert run.states() == {"a": "succeeded"}


@pytest.mark.parametrize(
    ("policy", "waits"),
    [
        ({"backoff": Backoff.FIXED, "initial_delay": 2}, [2, 2, 2, 2]),
        ({"backoff": Backoff.LINEAR, "initial_delay": 2}, [2, 4, 6, 8]),
        ({"backoff": Backoff.EXPONENTIAL, "initial_delay": 2}, [2, 4, 8, 16]),
        ({"backoff": Backoff.EXPONENTIAL, "initial_delay": 2, "max_delay": 5}, [2, 4, 5, 5]),
        ({"backoff": Backoff.LINEAR, "initial_delay": 9, "max_delay": 5}, [5, 5, 5, 5]),
        ({"initial_delay": 0}, [0, 0, 0, 0]),
    ],
)
def test_waits_grow_up_to_the_longest(policy, waits):
    policy = RetryPolicy(jitter=0, **policy)
    assert [wait_before_retry(policy, n, "s").total_seconds() for n in range(1, 5)] == waits


def test_jitter_shortens_waits_by_its_share_at_most_and_is_the_same_for_the_same_attempt():
    policy = RetryPolicy(initial_delay=10, jitter=0.5, backoff=Backoff.FIXED)
    waits = [wait_before_retry(policy, 1, str(seed)).total_seconds() for seed in range(1000)]
    assert 5 <= min(waits) < 5.1
    assert 9.9 < max(waits) <= 10
    assert waits == [wait_before_retry(policy, 1, str(seed)).total_seconds() for seed in range(1000)]
    assert wait_before_retry(RetryPolicy(max_attempts=100), 99, "s").total_seconds() <= 60


def test_a_transient_failure_is_tried_again_after_the_wait():
    run = carried(task("a", retry=TWICE))
    assert run.fail("a", transient=True) == []
    assert run.states() == {"a": "retrying"}
    assert run.wake_at == NOON + timedelta(seconds=10)
    assert run.pass_seconds(9.9) == []
    assert said(run.pass_seconds(0.1)) == [("send", "a", 0, 2)]
    assert run.states() == {"a": "running"}
    assert said(run.fail("a", transient=True)) == [("end", "failed")]


def test_a_failure_that_is_not_transient_is_not_tried_again():
    run = carried(task("a", retry=TWICE))
    assert said(run.fail("a")) == [("end", "failed")]


def test_a_retry_waits_for_a_place_and_comes_before_what_has_not_begun():
    run = carried(task("a", retry=TWICE), task("b"), task("c"), max_parallel_tasks=1)
    assert said(run.fail("a", transient=True)) == [("send", "b", 0, 1)]
    assert said(run.pass_seconds(20)) == []
    assert run.wake_at == NOON + timedelta(seconds=300)
    assert said(run.succeed("b")) == [("send", "a", 0, 2)]


def test_an_attempt_that_takes_too_long_is_cancelled_and_counts_as_a_transient_failure():
    run = carried(task("a", timeout=5, retry=TWICE))
    late = run.result("a", output="late")
    assert said(run.pass_seconds(5)) == [("cancel", "a", 0, 1)]
    assert run.tell(late) == []
    assert said(run.pass_seconds(10)) == [("send", "a", 0, 2)]
    assert run.tell(late) == []
    assert said(run.pass_seconds(5)) == [("cancel", "a", 0, 2), ("end", "failed")]
    error = run.run.tasks["a"].error
    assert error is not None
    assert (error.code, error.detail) == ("timeout", "attempt 2 gave no result within 5 s")


def test_a_result_that_comes_when_the_time_is_just_over_counts():
    run = carried(task("a", timeout=5))
    run.now += timedelta(seconds=6)
    assert said(run.succeed("a")) == [("end", "succeeded")]


# Mapped tasks


def test_a_mapped_task_runs_for_each_element_and_gives_a_list():
    run = carried(
        task("list"),
        task("m", map="{list_output}", parameters={"x": "{item.n}"}),
        task("after", parameters={"all": "{m_output}"}),
        max_parallel_tasks=2,
    )
    assert said(run.succeed("list", [{"n": 5}, {"n": 6}, {"n": 7}])) == [("send", "m", 0, 1), ("send", "m", 1, 1)]
    assert run.orders["m", 1].parameters == {"x": 6}
    assert said(run.succeed("m", "six", 1)) == [("send", "m", 2, 1)]
    assert run.succeed("m", "seven", 2) == []
    assert said(run.succeed("m", "five", 0)) == [("send", "after", 0, 1)]
    assert run.orders["after", None].parameters == {"all": ["five", "six", "seven"]}


@pytest.mark.parametrize("value", [[], None])
def test_a_task_mapped_over_nothing_gives_an_empty_list(value):
    tasks = (task("m", map="{xs}"), task("after", parameters={"all": "{m_output}"}))
    run = carried(*tasks, global_parameters={"xs": value})
    assert run.orders["after", None].parameters == {"all": []}


def test_a_task_mapped_over_what_is_no_list_fails():
    run = carried(task("m", map="{xs}"), global_parameters={"xs": {"a": 1}})
    assert run.run.state is PipelineRunState.FAILED
    error = run.run.tasks["m"].error
    assert error is not None
    assert "expected a list, got dict" in error.detail


def test_an_element_that_fails_ends_the_run():
    run = carried(task("m", map="{xs}"), global_parameters={"xs": [1, 2, 3]}, max_parallel_tasks=2)
    assert said(run.fail("m", 1)) == [("cancel", "m", 0, 1), ("end", "failed")]
    error = run.run.tasks["m"].error
    assert error is not None
    assert error.detail == "element 1: it broke"


def test_elements_of_an_optional_task_that_fail_are_null():
    run = carried(task("m", map="{xs}", optional=True), global_parameters={"xs": [1, 2, 3]})
    run.fail("m", 1)
    run.succeed("m", "a", 0)
    run.succeed("m", "c", 2)
    assert run.outputs() == {"m": ["a", None, "c"]}
    assert run.states() == {"m": "succeeded"}


def test_an_optional_task_of_which_all_elements_fail_has_failed():
    run = carried(task("m", map="{xs}", optional=True), global_parameters={"xs": [1, 2]})
    run.fail("m", 1)
    run.fail("m", 0)
    assert run.outputs() == {"m": None}
    assert run.states() == {"m": "failed"}
    assert run.run.state is PipelineRunState.SUCCEEDED


def test_elements_are_tried_again_one_by_one():
    run = carried(task("m", map="{xs}", retry=TWICE), global_parameters={"xs": [1, 2]})
    run.fail("m", 0, transient=True)
    run.succeed("m", 20, 1)
    assert run.states() == {"m": "running"}
    assert said(run.pass_seconds(10)) == [("send", "m", 0, 2)]
    assert said(run.succeed("m", 10, 0)) == [("end", "succeeded")]
    assert run.outputs() == {"m": [10, 20]}


# Reviews

REVIEWED = (task("a", review=ReviewDemand(max_changes=1)), task("b", parameters={"x": "{a_output}"}))


def test_a_reviewed_task_waits_for_a_person():
    run = carried(*REVIEWED)
    [ask] = run.succeed("a", "draft")
    assert isinstance(ask, AskForReview)
    assert (ask.task, ask.round, ask.output) == ("a", 1, "draft")
    assert run.states() == {"a": "in_review", "b": "waiting"}
    assert said(run.review("a", "approve")) == [("send", "b", 0, 1)]
    assert run.orders["b", None].parameters == {"x": "draft"}


@pytest.mark.parametrize("edited", ["better", None])
def test_a_reviewer_may_edit_the_output(edited):
    run = carried(*REVIEWED)
    run.succeed("a", "draft")
    run.review("a", "approve", edited=EditedOutput(edited))
    assert run.orders["b", None].parameters == {"x": edited}


def test_a_rejected_task_has_failed():
    run = carried(*REVIEWED)
    run.succeed("a", "draft")
    assert said(run.review("a", "reject", comment="wrong tone")) == [("end", "failed")]
    error = run.run.tasks["a"].error
    assert error is not None
    assert (error.code, error.detail) == ("rejected", "ada rejected it: wrong tone")
    run.tell(RunRetried())
    assert run.orders["a", None].attempt == 2


def test_a_task_runs_again_with_what_is_to_be_changed_as_often_as_allowed():
    run = carried(*REVIEWED)
    run.succeed("a", "draft")
    assert said(run.review("a", "changes", comment="shorter")) == [("send", "a", 0, 2)]
    assert run.orders["a", None].feedback == "shorter"
    [ask] = run.succeed("a", "short")
    assert isinstance(ask, AskForReview)
    assert (ask.round, ask.last_comment) == (2, "shorter")
    assert said(run.review("a", "changes", comment="shorter still")) == [("end", "failed")]
    error = run.run.tasks["a"].error
    assert error is not None
    assert error.code == "too-many-changes"


def test_attempts_of_earlier_rounds_do_not_count():
    run = carried(task("a", review=ReviewDemand(), retry=TWICE))
    run.fail("a", transient=True)
    run.pass_seconds(10)
    run.succeed("a")
    run.review("a", "changes")
    assert run.fail("a", transient=True) == []
    assert said(run.pass_seconds(10)) == [("send", "a", 0, 4)]


def test_a_review_is_decided_once():
    run = carried(*REVIEWED)
    run.succeed("a", "draft")
    run.review("a", "changes")
    run.succeed("a", "second")
    with pytest.raises(ConflictError, match="review 1 of task 'a' of run 'r1' waits for no decision"):
        run.review("a", "approve", round=1)
    run.review("a", "approve")
    with pytest.raises(ConflictError):
        run.review("a", "reject")


def test_a_mapped_task_is_reviewed_as_a_whole():
    run = carried(task("m", map="{xs}", review=ReviewDemand()), global_parameters={"xs": [1, 2]})
    run.succeed("m", "a", 0)
    assert said(run.succeed("m", "b", 1)) == [("ask", "m", 1)]
    assert said(run.review("m", "changes")) == [("send", "m", 0, 2), ("send", "m", 1, 2)]
    run.succeed("m", "c", 0)
    run.succeed("m", "d", 1)
    assert said(run.review("m", "approve")) == [("end", "succeeded")]
    assert run.outputs() == {"m": ["c", "d"]}


# Pauses, ends, and going on


def test_in_a_pause_nothing_begins_and_what_runs_may_end():
    run = carried(*DIAMOND, timeout=100)
    run.now += timedelta(seconds=10)
    assert run.tell(RunPaused()) == []
    assert run.succeed("a", {"text": ""}) == []
    assert run.pass_seconds(1000) == []
    assert said(run.tell(RunResumed())) == [("send", "b", 0, 1), ("send", "c", 0, 1)]
    assert run.run.deadline == NOON + timedelta(seconds=1100)


def test_in_a_pause_attempts_may_take_too_long_and_reviews_are_asked_for():
    run = carried(*REVIEWED, task("slow", timeout=5, retry=TWICE))
    run.tell(RunPaused())
    assert said(run.succeed("a")) == [("ask", "a", 1)]
    assert said(run.pass_seconds(100)) == [("cancel", "slow", 0, 1)]
    assert run.review("a", "approve") == []
    assert said(run.tell(RunResumed())) == [("send", "slow", 0, 2), ("send", "b", 0, 1)]


def test_a_paused_run_whose_last_task_ends_has_ended():
    run = carried(task("a"))
    run.tell(RunPaused())
    assert said(run.succeed("a")) == [("end", "succeeded")]


def test_a_run_that_takes_too_long_fails():
    run = carried(*REVIEWED, task("slow", retry=TWICE), task("flaky", retry=TWICE), timeout=5)
    run.succeed("a")
    run.fail("flaky", transient=True)
    assert said(run.pass_seconds(5)) == [("cancel", "slow", 0, 1), ("withdraw", "a", 1), ("end", "failed")]
    assert set(run.states().values()) == {"cancelled"}
    assert run.run.ending is not None
    assert run.run.ending.error is not None
    assert run.run.ending.error.code == "run-timeout"


def test_a_cancelled_run_ends_at_once():
    run = carried(*DIAMOND)
    assert said(run.tell(RunCancelled(by="ada", reason="not needed"))) == [("cancel", "a", 0, 1), ("end", "cancelled")]
    assert run.run.ending is not None
    assert run.run.ending.error is not None
    assert run.run.ending.error.detail == "cancelled by ada: not needed"
    assert set(run.states().values()) == {"cancelled"}


def test_a_failed_run_goes_on_with_what_failed():
    run = carried(*DIAMOND, task("e"), max_parallel_tasks=2)
    run.succeed("a", {"text": "kept"})
    run.succeed("e")
    run.fail("b")
    assert run.states() == {"a": "succeeded", "b": "failed", "c": "cancelled", "d": "cancelled", "e": "succeeded"}
    run.now += timedelta(hours=1)
    assert said(run.tell(RunRetried())) == [("send", "b", 0, 2), ("send", "c", 0, 2)]
    assert run.orders["b", None].parameters == {"text": "kept"}
    run.succeed("b")
    run.succeed("c")
    assert said(run.succeed("d")) == [("end", "succeeded")]


def test_a_mapped_task_goes_on_with_the_elements_that_did_not_succeed():
    run = carried(task("m", map="{xs}"), global_parameters={"xs": [1, 2, 3, 4]}, max_parallel_tasks=3)
    run.succeed("m", "one", 0)
    run.fail("m", 2)
    assert said(run.tell(RunRetried())) == [("send", "m", 1, 2), ("send", "m", 2, 2), ("send", "m", 3, 2)]
    for element, output in ((1, "two"), (2, "three"), (3, "four")):
        run.succeed("m", output, element)
    assert run.outputs() == {"m": ["one", "two", "three", "four"]}


def test_a_review_that_the_end_of_the_run_withdrew_is_asked_for_again():
    run = carried(*REVIEWED, task("other"))
    run.succeed("a", "costly")
    assert said(run.fail("other")) == [("withdraw", "a", 1), ("end", "failed")]
    assert said(run.tell(RunRetried())) == [("ask", "a", 2), ("send", "other", 0, 2)]
    run.review("a", "approve")
    assert run.orders["b", None].parameters == {"x": "costly"}


def test_optional_tasks_that_failed_are_not_tried_again_with_the_run():
    run = carried(task("a", optional=True), task("b"))
    run.fail("a")
    run.fail("b")
    assert said(run.tell(RunRetried())) == [("send", "b", 0, 2)]


def test_a_run_that_is_taken_up_again_has_its_time_anew():
    run = carried(task("a"), timeout=5)
    run.pass_seconds(100)
    assert run.run.state is PipelineRunState.FAILED
    run.tell(RunRetried())
    assert run.run.deadline == NOON + timedelta(seconds=105)


@pytest.mark.parametrize(
    ("before", "message", "reason"),
    [
        ([], RunResumed(), "is running: only a paused run can be resumed"),
        ([], RunRetried(), "is running: only a failed or cancelled run can be retried"),
        ([RunPaused()], RunPaused(), "is paused: only a running run can be paused"),
        ([RunCancelled()], RunCancelled(), "is cancelled: it has ended, and cannot be cancelled"),
        ([RunCancelled()], RunPaused(), "is cancelled: only a running run can be paused"),
    ],
)
def test_what_cannot_be_is_refused(before, message, reason):
    run = carried(task("a"))
    for earlier in before:
        run.tell(earlier)
    as_it_was = run.run
    with pytest.raises(ConflictError, match=f"run 'r1' {reason}"):
        run.tell(message)
    assert run.run is as_it_was


def test_a_succeeded_run_cannot_be_retried():
    run = carried(task("a"))
    run.succeed("a")
    with pytest.raises(ConflictError, match="is succeeded"):
        run.tell(RunRetried())


def test_after_a_crash_running_attempts_can_be_ordered_again_as_they_were():
    run = carried(task("a"), task("m", map="{xs}", parameters={"x": "{item}"}), global_parameters={"xs": [1, 2, 3]})
    sent = [action.order for action in run.actions if isinstance(action, SendOrder)]
    assert list(running_orders(run.plan, run.run)) == sent
    run.now += timedelta(seconds=1)
    run.succeed("m", 0, 1)
    assert list(running_orders(run.plan, run.run)) == [order for order in sent if order.element != 1]


def test_what_is_decided_stays_decided_until_something_happens():
    run = carried(*DIAMOND)
    assert not [action for action in decide(run.plan, run.run, run.now) if action.event is not None]
    run.succeed("a", {"text": ""})
    run.succeed("b")
    run.succeed("c")
    [end] = run.succeed("d")
    assert isinstance(end, EndRun)
    assert decide(run.plan, run.run, run.now) == ()
