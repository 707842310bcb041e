"""When a schedule is due.

Cron expressions mean what they mean to Debian's cron: a time of day that a change of the clock leaves out comes at the
first minute after it, one that a change repeats comes once. Expressions whose hour is `*` go by elapsed time.
"""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from sightwire.contracts.schedules import ScheduleRecord, ScheduleSpec
from sightwire.errors import InvalidInputError

_CRON_FIELDS = 5


def next_due(spec: ScheduleSpec, after: datetime) -> datetime:
    """The first due time later than `after`, in UTC.

    Raises:
        InvalidInputError: the expression or the time zone is wrong, or there is no such time.
    """
    times = upcoming(spec, after, 1)
    if not times:
        raise InvalidInputError(f"cron: {spec.cron!r} names a time that never comes")
    return times[0].astimezone(UTC)


def upcoming(spec: ScheduleSpec, after: datetime, count: int) -> tuple[datetime, ...]:
    """The first `count` due times later than `after`, or all there are, in the schedule's time zone.

    Raises:
        InvalidInputError: the expression or the time zone is wrong.
    """
    found: list[datetime] = []
    latest = after.astimezone(UTC)
    occurrences = _occurrences(spec, after.astimezone(_zone(spec.time_zone)))
    while len(found) < count:
        try:
            due = next(occurrences, None)
        except (OverflowError, ValueError):
            # Past the last year that there is.
            due = None
        if due is None:
            break
        # Where the clock changes, the same instant can come from two times of day, and one before `after` again.
        if due.astimezone(UTC) > latest:
            latest = due.astimezone(UTC)
            found.append(due)
    return tuple(found)


def starting_time(record: ScheduleRecord, due_at: datetime) -> datetime:
    """When the run that is due at `due_at` starts: jitter later, the same whenever it is asked for."""
    lot = random.Random(f"{record.collection_uid}.{record.name}.{due_at.isoformat()}")  # noqa: S311  no secret
    return due_at + timedelta(seconds=lot.uniform(0.0, record.spec.jitter_seconds))


def _occurrences(spec: ScheduleSpec, after: datetime) -> CronSim:
    fields = len(spec.cron.split())
    if fields != _CRON_FIELDS:
        raise InvalidInputError(
            f"cron: {spec.cron!r} has {fields} fields; write minute, hour, day of month, month and day of week"
        )
    try:
        return CronSim(spec.cron, after)
    except (CronSimError, ValueError) as error:
        raise InvalidInputError(
            f"cron: {spec.cron!r} is not a cron expression ({error}); such as '30 3 * * 1'"
        ) from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # OSError: the name of a folder of the database, such as `Europe`.
        raise InvalidInputError(
            f"time_zone: {name!r} is not a time zone; expected an IANA name such as 'Europe/Berlin'"
        ) from None
