"""How schedules and their calendars look on a terminal."""

from typing import Any, Final

from sightwire.cli.output import escaped, time_text
from sightwire.contracts.schedules import Calendar, ScheduledRun, ScheduleRecord

SCHEDULE_COLUMNS: Final = ("schedule", "cron", "time zone", "does", "next run", "last run", "paused")


def schedule_row(record: ScheduleRecord) -> tuple[Any, ...]:
    """A row of a table with `SCHEDULE_COLUMNS`."""
    last = record.runs[-1] if record.runs else None
    return (
        record.name,
        record.spec.cron,
        record.spec.time_zone,
        record.spec.command.kind,
        time_text(record.next_run_at),
        f"{last.outcome.value} {time_text(last.due_at)}" if last is not None else None,
        escaped(record.paused or ""),
    )


def schedule_members(record: ScheduleRecord) -> dict[str, Any]:
    """A schedule, as members to print."""
    spec = record.spec
    return {
        "schedule": record.name,
        "collection": record.collection,
        "cron": f"{spec.cron} ({spec.time_zone})",
        "jitter": f"{spec.jitter_seconds:g} s" if spec.jitter_seconds else None,
        "does": spec.command.model_dump(mode="json", exclude_defaults=True) | {"kind": spec.command.kind},
        "next run": time_text(record.next_run_at),
        "paused": record.paused,
        "failures": f"{record.consecutive_failures} in a row of at most {spec.max_failures}"
        if record.consecutive_failures
        else None,
        "cooling until": time_text(record.cooling_until),
    }


def calendar_rows(calendar: Calendar) -> list[tuple[Any, ...]]:
    """Past runs, oldest first, then the next ones."""
    past = [
        (time_text(run.due_at), run.outcome.value, run.trigger, _duration(run), escaped(run.reason or ""))
        for run in calendar.schedule.runs
    ]
    coming = [(moment.isoformat(sep=" "), "due", "cron", None, None) for moment in calendar.upcoming]
    return [*past, *coming]


def _duration(run: ScheduledRun) -> str | None:
    if run.started_at is None or run.finished_at is None:
        return None
    return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"
