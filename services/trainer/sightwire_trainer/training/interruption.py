"""Ending a run in good order: after the step at hand, with a checkpoint."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: Whether the run should end after the step at hand.
Cancelled = Callable[[], bool]


def never() -> bool:
    """Of a run that nobody cancels."""
    return False


@contextmanager
def cancelled_by_signals() -> Iterator[Cancelled]:
    """Gives what becomes true when the process is asked to end, by SIGTERM or Ctrl-C; a second Ctrl-C ends it at once.

    Must be entered in the main thread.
    """
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and asked.is_set():
            signal.default_int_handler(number, frame)
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
