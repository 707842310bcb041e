"""What to do about a schedule now, and when to look at it again."""

from dataclasses import dataclass
from datetime import datetime

from sightwire.contracts.schedules import ScheduleRecord
from sightwire_indexer.schedules.history import open_run
from sightwire_indexer.schedules.timing import starting_time


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`; None: before the schedule is changed."""

    until: datetime | None


@dataclass(frozen=True, slots=True)
class Start:
    """Begin the run that is due."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave the run that is due out."""

    due_at: datetime
    reason: str


def decide(record: ScheduleRecord, now: datetime, running: str | None) -> Wait | Start | Skip:
    """Decides about a schedule.

    A time that passed while nobody looked counts as due, however many there were: once.

    Args:
        record: the schedule as it is stored.
        now: aware.
        running: id of the operation that the collection is busy with.
    """
    due_at = record.next_run_at
    if record.paused is not None or due_at is None:
        return Wait(None)
    starts_at = starting_time(record, due_at)
    if now < starts_at:
        return Wait(starts_at)
    reason = reason_against(record, now, running)
    return Start(due_at) if reason is None else Skip(due_at, reason)


def reason_against(record: ScheduleRecord, now: datetime, running: str | None) -> str | None:
    """Why no run can begin now, None if one can."""
    if running is not None:
        return f"operation {running} is running"
    if open_run(record) is not None:
        return "its last run has not ended"
    if record.cooling_until is not None and now < record.cooling_until:
        return f"cooling down until {record.cooling_until.isoformat(timespec='seconds')} after a failure"
    return None
