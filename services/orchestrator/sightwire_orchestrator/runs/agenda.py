"""What is due when: sorted tuples of times."""

from bisect import bisect_left, insort
from datetime import datetime
from typing import NamedTuple

from sightwire.contracts.pipelines import TaskName


class Due(NamedTuple):
    """Something of one unit of a task that is due at a time."""

    at: datetime
    task: TaskName
    unit: int


#: Sorted, the earliest first.
Agenda = tuple[Due, ...]


def with_due(agenda: Agenda, due: Due) -> Agenda:
    """The agenda with one entry more."""
    entries = list(agenda)
    insort(entries, due)
    return tuple(entries)


def without_due(agenda: Agenda, due: Due) -> Agenda:
    """The agenda without an entry of its own."""
    place = bisect_left(agenda, due)
    assert agenda[place : place + 1] == (due,), f"{due} is not in the agenda"
    return agenda[:place] + agenda[place + 1 :]


def due_by(agenda: Agenda, now: datetime) -> int:
    """How many entries are due at `now`; they come first."""
    return bisect_left(agenda, True, key=lambda due: due.at > now)
