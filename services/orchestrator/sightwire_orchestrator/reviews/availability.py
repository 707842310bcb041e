"""Whether a reviewer is there. Decides only; knows no clock."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

from sightwire.contracts.reviews import Availability, Reviewer, WorkingHours


def is_absent(availability: Availability, now: datetime) -> bool:
    """Whether an absence goes on; its end does not belong to it."""
    return any(absence.start <= now < absence.end for absence in availability.absences)


def is_reachable(reviewer: Reviewer, now: datetime) -> bool:
    """Whether reviews may lie with somebody, at whatever hour."""
    return reviewer.is_active and not is_absent(reviewer.availability, now)


def is_on_duty(reviewer: Reviewer, now: datetime) -> bool:
    """Whether somebody gets reviews now: reachable, and within working hours."""
    if not is_reachable(reviewer, now):
        return False
    hours = reviewer.availability.hours
    if not hours:
        return True
    local = now.astimezone(ZoneInfo(reviewer.availability.time_zone))
    return any(_includes(each, local.isoweekday(), local.time()) for each in hours)


def _includes(hours: WorkingHours, day: int, at: time) -> bool:
    if hours.start < hours.end:
        return day in hours.days and hours.start <= at < hours.end
    yesterday = 7 if day == 1 else day - 1
    return (day in hours.days and at >= hours.start) or (yesterday in hours.days and at < hours.end)
