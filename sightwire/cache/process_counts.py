"""What one process counted, and the reports that add it to the counts of all without losing or doubling any."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Report:
    """What came to the counts since the report before; sent again unchanged until it is known to have arrived."""

    number: int
    increments: Mapping[str, int]


class ProcessCounts:
    """Named counts that only grow, read from `current` in one step."""

    def __init__(self, current: Callable[[], dict[str, int]]) -> None:
        self._current = current
        self._reported: dict[str, int] = {}
        self._number = 0
        self._unanswered: Report | None = None

    def next_report(self) -> Report:
        """The report to send now: the last one again if nobody answered it, else what was counted since."""
        if self._unanswered is None:
            self._number += 1
            current = self._current()
            increments = {name: count - self._reported.get(name, 0) for name, count in current.items()}
            self._unanswered = Report(self._number, {name: count for name, count in increments.items() if count})
        return self._unanswered

    def arrived(self, report: Report) -> None:
        """Notes that the server has added `report`."""
        assert report is self._unanswered, "reports are sent one at a time"
        for name, count in report.increments.items():
            self._reported[name] = self._reported.get(name, 0) + count
        self._unanswered = None
