"""How quickly a collection's items come, and whether merges must hurry. Pure.

A graph takes some 0.5 ms to build for each vector of 384 numbers, inverted lists a tenth of that, and each item gets
into an index two or three times before its segment is full. So from some hundred items a second on, graphs cannot keep
up on a core that other work needs too.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """From which rate on merges hurry, and under which they take their time again; items a second."""

    hurry_rate: float = 200.0
    calm_rate: float = 100.0
    #: Seconds that the rate is taken over. So long after the last item the collection is calm in any case.
    window_seconds: float = 10.0


def must_hurry(rate: float, limits: PaceLimits, *, is_hurrying: bool) -> bool:
    """Whether merges build what is built quickly. Between the two rates it stays as it is."""
    return rate >= (limits.calm_rate if is_hurrying else limits.hurry_rate)


class IngestPace:
    """Remembers the commits of the last seconds.

    Times are in seconds on any steadily growing clock.
    """

    def __init__(self, limits: PaceLimits | None = None) -> None:
        self._limits: Final = limits or PaceLimits()
        self._commits: deque[tuple[float, int]] = deque()
        self._items = 0
        self._is_hurrying = False

    def committed(self, time: float, items: int) -> None:
        """A commit at `time` had so many items."""
        if items:
            self._commits.append((time, items))
            self._items += items

    def rate(self, time: float) -> float:
        """Items a second over the window before `time`."""
        while self._commits and self._commits[0][0] <= time - self._limits.window_seconds:
            self._items -= self._commits.popleft()[1]
        return self._items / self._limits.window_seconds

    def is_hurried(self, time: float) -> bool:
        """Whether merges that begin at `time` must hurry."""
        self._is_hurrying = must_hurry(self.rate(time), self._limits, is_hurrying=self._is_hurrying)
        return self._is_hurrying

    def calm_at(self, time: float) -> float | None:
        """When the collection will be calm if nothing more comes; None if it is calm at `time`."""
        if not self.is_hurried(time):
            return None
        remaining = self._items
        for committed, items in self._commits:
            remaining -= items
            if not must_hurry(remaining / self._limits.window_seconds, self._limits, is_hurrying=True):
                return committed + self._limits.window_seconds
        return None
