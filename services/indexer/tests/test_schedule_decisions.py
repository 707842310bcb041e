"""What is done about a schedule, and how its record changes: decisions, without bus or clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_indexer.schedules import history
from sightwire_indexer.schedules.commands import check_repeatable
from sightwire_indexer.schedules.decision import Skip, Start, Wait, decide

from sightwire.contracts.operations import Command, OperationRecord, OperationState, Rebuild, Rollback, Switch, Validate
from sightwire.contracts.schedules import Outcome, ScheduledRun, ScheduleRecord
from sightwire.errors import InvalidInputError

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
RUNNING = ScheduledRun(due_at=NOON - HOUR, started_at=NOON - HOUR, outcome=Outcome.RUNNING)


def schedule(spec: dict[str, Any] | None = None, **members: Any) -> ScheduleRecord:
    """An hourly schedule that is due at noon."""
    return ScheduleRecord.model_validate(
        {
            "name": "hourly",
            "collection": "demo",
            "collection_uid": "u1",
            "spec": {"cron": "0 * * * *", "command": {"kind": "scan"}, **(spec or {})},
            "created_at": NOON - HOUR,
            "next_run_at": NOON,
            **members,
        }
    )


def operation(state: OperationState, **members: Any) -> OperationRecord:
    return OperationRecord.model_validate(
        {
            "id": "o1",
            "collection": "demo",
            "collection_uid": "u1",
            "command": {"kind": "scan"},
            "requested_by": "schedule hourly",
            "state": state,
            "finished_at": NOON + MINUTE,
            **members,
        }
    )


@pytest.mark.parametrize(
    ("record", "now", "running", "decision"),
    [
        pytest.param(schedule(), NOON - MINUTE, None, Wait(NOON), id="not yet"),
        pytest.param(schedule(), NOON, None, Start(NOON), id="due"),
        pytest.param(schedule(), NOON + 5 * HOUR, None, Start(NOON), id="missed"),
        pytest.param(schedule(next_run_at=None, paused="by hand"), NOON, None, Wait(None), id="paused"),
        pytest.param(schedule(paused="by hand"), NOON, None, Wait(None), id="paused though it has a time"),
        pytest.param(schedule(), NOON, "o7", Skip(NOON, "operation o7 is running"), id="busy"),
        pytest.param(schedule(), NOON - MINUTE, "o7", Wait(NOON), id="busy before it is due"),
        pytest.param(schedule(runs=(RUNNING,)), NOON, None, Skip(NOON, "its last run has not ended"), id="still runs"),
        pytest.param(
            schedule(cooling_until=NOON + MINUTE),
            NOON,
            None,
            Skip(NOON, "cooling down until 2026-05-01T12:01:00+00:00 after a failure"),
            id="cooling",
        ),
        pytest.param(schedule(cooling_until=NOON), NOON, None, Start(NOON), id="cooled down"),
    ],
)
def test_decisions(record: ScheduleRecord, now: datetime, running: str | None, decision: Wait | Start | Skip) -> None:
    assert decide(record, now, running) == decision


def test_jitter_is_waited_for() -> None:
    record = schedule({"jitter_seconds": 600})
    decision = decide(record, NOON, None)
    assert isinstance(decision, Wait)
    assert decision.until is not None
    assert NOON < decision.until <= NOON + timedelta(seconds=600)
    assert decide(record, decision.until, None) == Start(NOON)


def test_a_run_is_recorded_with_the_next_time_before_it_begins() -> None:
    record = history.begun(schedule(), NOON, NOON + MINUTE, "cron")
    assert record.next_run_at == NOON + HOUR
    assert record.runs == (
        ScheduledRun(due_at=NOON, started_at=NOON + MINUTE, outcome=Outcome.RUNNING, trigger="cron"),
    )
    assert history.identified(record, "o1").runs[0].operation == "o1"


def test_a_manual_run_leaves_the_next_time_as_it_is() -> None:
    assert history.begun(schedule(), NOON - MINUTE, NOON - MINUTE, "api").next_run_at == NOON
    paused = schedule(paused="by hand", next_run_at=None)
    assert history.begun(paused, NOON, NOON, "api").next_run_at is None


def test_success_forgets_failures() -> None:
    record = schedule(runs=(RUNNING,), consecutive_failures=2, cooling_until=NOON)
    record = history.ended(record, operation(OperationState.SUCCEEDED))
    assert (record.consecutive_failures, record.cooling_until, record.paused) == (0, None, None)
    assert record.runs[0].outcome is Outcome.SUCCEEDED
    assert record.runs[0].finished_at == NOON + MINUTE


def test_a_failure_cools_down() -> None:
    record = history.ended(schedule(runs=(RUNNING,)), operation(OperationState.FAILED, error="no space left"))
    assert record.consecutive_failures == 1
    assert record.cooling_until == NOON + MINUTE + timedelta(seconds=600)
    assert record.paused is None
    assert record.next_run_at == NOON
    assert (record.runs[0].outcome, record.runs[0].reason) == (Outcome.FAILED, "no space left")


def test_failures_in_a_row_pause() -> None:
    record = schedule({"max_failures": 2}, runs=(RUNNING,), consecutive_failures=1)
    record = history.ended(record, operation(OperationState.FAILED, error="no space left"))
    assert record.paused == "failed 2 times in a row, at last: no space left"
    assert record.next_run_at is None


def test_a_pause_by_hand_keeps_its_reason() -> None:
    record = schedule({"max_failures": 1}, runs=(RUNNING,), paused="paused by api", next_run_at=None)
    assert history.ended(record, operation(OperationState.FAILED, error="x")).paused == "paused by api"


def test_a_cancelled_operation_does_not_count_against_the_schedule() -> None:
    record = history.ended(schedule(runs=(RUNNING,)), operation(OperationState.CANCELLED))
    assert (record.consecutive_failures, record.cooling_until) == (0, None)
    assert (record.runs[0].outcome, record.runs[0].reason) == (Outcome.FAILED, "it was cancelled")


def test_resuming_forgets_failures_and_finds_the_next_time() -> None:
    record = schedule(paused="failed", next_run_at=None, consecutive_failures=3, cooling_until=NOON + HOUR)
    record = history.resumed(record, NOON + MINUTE)
    assert (record.paused, record.consecutive_failures, record.cooling_until) == (None, 0, None)
    assert record.next_run_at == NOON + HOUR


def test_the_newest_runs_are_kept_and_one_that_goes_on_always() -> None:
    record = schedule(runs=(RUNNING,))
    for minutes in range(80):
        record = history.left_out(record, NOON, NOON + minutes * MINUTE, "busy", "cron")
    assert len(record.runs) == 50
    assert history.open_run(record) == RUNNING
    assert record.runs[-1].finished_at == NOON + 79 * MINUTE
    assert ScheduleRecord.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize("command", [Switch(generation="g2"), Validate(generation="g2"), Rollback(generation="g2")])
def test_a_command_that_names_a_generation_is_not_repeated(command: Command) -> None:
    with pytest.raises(InvalidInputError, match=r"^command\.generation: .*'g2'"):
        check_repeatable(command)


@pytest.mark.parametrize("command", [Rebuild(), Validate(), Rollback()])
def test_a_command_that_takes_what_is_there_is_repeated(command: Command) -> None:
    check_repeatable(command)


@given(
    steps=st.lists(st.tuples(st.floats(0, 3 * 86400), st.booleans(), st.booleans()), max_size=30),
    cron=st.sampled_from(["*/5 * * * *", "0 * * * *", "30 2 * * *", "0 3 * * 1", "*/15 1-3 * * *"]),
    time_zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    jitter=st.sampled_from([0.0, 30.0, 7200.0]),
)
def test_whenever_it_is_looked_at_no_time_is_due_twice(
    steps: list[tuple[float, bool, bool]], cron: str, time_zone: str, jitter: float
) -> None:
    """Looked at after any pauses (the indexer was down), with other operations running or not, and failures or none."""
    now = datetime(2026, 10, 23, 12, tzinfo=UTC)
    record = schedule({"cron": cron, "time_zone": time_zone, "jitter_seconds": jitter, "max_failures": 1000})
    record = history.resumed(record, now)
    for seconds, is_busy, fails in steps:
        now += timedelta(seconds=seconds)
        decision = decide(record, now, "o7" if is_busy else None)
        if isinstance(decision, Start):
            record = history.begun(record, decision.due_at, now, "cron")
            state = OperationState.FAILED if fails else OperationState.SUCCEEDED
            record = history.ended(record, operation(state, finished_at=now))
        elif isinstance(decision, Skip):
            record = history.left_out(record, decision.due_at, now, decision.reason, "cron")
        if not isinstance(decision, Wait):
            assert record.next_run_at is not None
            assert record.next_run_at > now
            # What was missed is not made up for: nothing more is due now.
            assert isinstance(decide(record, now, None), Wait)
    due_times = [run.due_at for run in record.runs]
    assert due_times == sorted(set(due_times))
