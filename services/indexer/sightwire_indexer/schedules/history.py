"""How a schedule's record changes when a run begins or ends, and when a person acts on it."""

from datetime import datetime, timedelta
from typing import Final

from sightwire.contracts.operations import OperationRecord, OperationState
from sightwire.contracts.schedules import Outcome, ScheduledRun, ScheduleRecord
from sightwire_indexer.schedules.timing import next_due

_RUNS_KEPT: Final = 50


def open_run(record: ScheduleRecord) -> ScheduledRun | None:
    """The run that has begun and not ended; there is one at most."""
    return next((run for run in record.runs if run.outcome is Outcome.RUNNING), None)


def outcome_of_open_run(before: ScheduleRecord, after: ScheduleRecord) -> Outcome:
    """What became in `after` of the run that is open in `before`."""
    return next(new.outcome for old, new in zip(before.runs, after.runs, strict=True) if old.outcome is Outcome.RUNNING)


def begun(record: ScheduleRecord, due_at: datetime, now: datetime, trigger: str) -> ScheduleRecord:
    """A run begins; which operation it is will be known later."""
    run = ScheduledRun(due_at=due_at, started_at=now, outcome=Outcome.RUNNING, trigger=trigger)
    return _with_run(_rescheduled(record, now), run)


def left_out(record: ScheduleRecord, due_at: datetime, now: datetime, reason: str, trigger: str) -> ScheduleRecord:
    """A run is due and does not begin."""
    run = ScheduledRun(due_at=due_at, finished_at=now, outcome=Outcome.SKIPPED, trigger=trigger, reason=reason)
    return _with_run(_rescheduled(record, now), run)


def identified(record: ScheduleRecord, operation: str) -> ScheduleRecord:
    """The open run is this operation."""
    return _with_open_run(record, {"operation": operation})


def not_begun(record: ScheduleRecord, now: datetime, reason: str) -> ScheduleRecord:
    """The open run came to nothing, through no fault of the operation's."""
    return _with_open_run(record, {"outcome": Outcome.SKIPPED, "finished_at": now, "reason": reason})


def ended(record: ScheduleRecord, operation: OperationRecord) -> ScheduleRecord:
    """The operation of the open run has ended. One that a person cancelled says nothing about the schedule."""
    finished_at = operation.finished_at or operation.updated_at
    if operation.state is OperationState.SUCCEEDED:
        settled = _with_open_run(record, {"outcome": Outcome.SUCCEEDED, "finished_at": finished_at})
        return settled.model_copy(update={"consecutive_failures": 0, "cooling_until": None})
    if operation.state is OperationState.CANCELLED:
        changes = {"outcome": Outcome.FAILED, "finished_at": finished_at, "reason": "it was cancelled"}
        return _with_open_run(record, changes)
    return failed(record, finished_at, operation.error or "the operation does not say why")


def failed(record: ScheduleRecord, now: datetime, reason: str) -> ScheduleRecord:
    """The open run failed: the schedule cools down, and is paused if it has failed too often."""
    settled = _with_open_run(record, {"outcome": Outcome.FAILED, "finished_at": now, "reason": reason})
    failures = record.consecutive_failures + 1
    changes = {
        "consecutive_failures": failures,
        "cooling_until": now + timedelta(seconds=record.spec.cooldown_seconds),
    }
    if failures >= record.spec.max_failures and record.paused is None:
        changes |= {"paused": f"failed {failures} times in a row, at last: {reason}", "next_run_at": None}
    return settled.model_copy(update=changes)


def paused(record: ScheduleRecord, reason: str) -> ScheduleRecord:
    """The schedule does not run by itself any more."""
    return record.model_copy(update={"paused": reason, "next_run_at": None})


def resumed(record: ScheduleRecord, now: datetime) -> ScheduleRecord:
    """A person lets the schedule go on; its failures are forgotten."""
    return record.model_copy(
        update={
            "paused": None,
            "consecutive_failures": 0,
            "cooling_until": None,
            "next_run_at": next_due(record.spec, now),
        }
    )


def _rescheduled(record: ScheduleRecord, now: datetime) -> ScheduleRecord:
    """Forgets the times that have come; a manual run leaves the next one as it is."""
    if record.next_run_at is None or record.next_run_at > now:
        return record
    return record.model_copy(update={"next_run_at": next_due(record.spec, now)})


def _with_run(record: ScheduleRecord, run: ScheduledRun) -> ScheduleRecord:
    runs = [*record.runs, run]
    if len(runs) > _RUNS_KEPT:
        # The oldest goes, but never one that goes on, however many were left out meanwhile.
        runs.remove(next(old for old in runs if old.outcome is not Outcome.RUNNING))
    return record.model_copy(update={"runs": tuple(runs)})


def _with_open_run(record: ScheduleRecord, changes: dict[str, object]) -> ScheduleRecord:
    runs = tuple(run.model_copy(update=changes) if run.outcome is Outcome.RUNNING else run for run in record.runs)
    return record.model_copy(update={"runs": runs})
