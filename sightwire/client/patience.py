"""How long a client that asks again and again goes on asking. Decides only: it neither asks nor sleeps."""

from collections.abc import Callable
from typing import Final

from sightwire.client.problems import ApiError, ConnectionFailedError

_FIRST_DELAY_SECONDS: Final = 0.05
_LONGEST_DELAY_SECONDS: Final = 1.0
#: A platform that restarts is back within this time.
_SILENCE_SECONDS: Final = 30.0


class PollPatience:
    """The pauses of one wait.

    Args:
        clock: seconds on a clock that only goes forward.
        timeout: seconds after which waiting ends; None for never.
    """

    def __init__(self, clock: Callable[[], float], timeout: float | None) -> None:
        self._clock = clock
        self._timeout = timeout
        self._started_at = self._answered_at = clock()
        self._delay = _FIRST_DELAY_SECONDS

    def note_answer(self) -> None:
        """The platform answered."""
        self._answered_at = self._clock()

    def forgives(self, error: ApiError | ConnectionFailedError) -> bool:
        """Whether to ask again after an error."""
        may_pass = error.may_succeed_later if isinstance(error, ApiError) else True
        return may_pass and self._clock() - self._answered_at < _SILENCE_SECONDS

    def at_most(self, seconds: float) -> float:
        """`seconds`, or what is left of the time if that is less."""
        left = self._left()
        return seconds if left is None else max(min(seconds, left), _FIRST_DELAY_SECONDS)

    def delay(self, what: str) -> float:
        """Seconds until the next question; they grow.

        Raises:
            ConnectionFailedError: the time is up.
        """
        left = self._left()
        if left is not None and left <= 0:
            raise ConnectionFailedError(f"{what} has not ended within {self._timeout:g} s; wait longer")
        delay = self._delay if left is None else min(self._delay, left)
        self._delay = min(self._delay * 1.5, _LONGEST_DELAY_SECONDS)
        return delay

    def _left(self) -> float | None:
        return None if self._timeout is None else self._started_at + self._timeout - self._clock()
