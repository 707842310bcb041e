"""What a run tells while it goes on, and to whom."""

from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from sightwire.contracts.training import TrainingCompleted, TrainingProgress

#: Steps over which the speed is averaged: long enough to be steady, short enough to show a change.
_WINDOW: Final = 50


class TrainingListener(Protocol):
    """Told of a run by the thread that trains, which waits meanwhile."""

    def progressed(self, progress: TrainingProgress) -> None:
        """A step was taken."""
        ...

    def evaluated(self, progress: TrainingProgress) -> None:
        """The measures are new."""
        ...

    def ended(self, completed: TrainingCompleted) -> None:
        """Nothing follows, whether the run went well or not."""
        ...


class Listeners:
    """Several listeners as one."""

    def __init__(self, listeners: Sequence[TrainingListener] = ()) -> None:
        self._listeners = tuple(listeners)

    def progressed(self, progress: TrainingProgress) -> None:
        for listener in self._listeners:
            listener.progressed(progress)

    def evaluated(self, progress: TrainingProgress) -> None:
        for listener in self._listeners:
            listener.evaluated(progress)

    def ended(self, completed: TrainingCompleted) -> None:
        for listener in self._listeners:
            listener.ended(completed)


class Speed:
    """Samples and steps a second over the last steps; times are of any clock that only goes on, in seconds."""

    def __init__(self, started: float) -> None:
        self._marks: deque[tuple[float, int]] = deque([(started, 0)], maxlen=_WINDOW + 1)

    def took_step(self, now: float, samples: int) -> None:
        """A step of so many samples is over."""
        self._marks.append((now, self._marks[-1][1] + samples))

    def paused(self, seconds: float) -> None:
        """So long was spent on something else, such as an evaluation, which does not slow steps down."""
        self._marks = deque(((moment + seconds, count) for moment, count in self._marks), maxlen=_WINDOW + 1)

    @property
    def samples_per_second(self) -> float:
        (begin, first), (end, last) = self._marks[0], self._marks[-1]
        return (last - first) / (end - begin) if end > begin else 0.0

    def seconds_left(self, steps: int) -> float | None:
        """For so many steps more; None before the first step."""
        taken = len(self._marks) - 1
        if not taken:
            return None
        return steps * (self._marks[-1][0] - self._marks[0][0]) / taken
