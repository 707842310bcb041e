"""Background tasks that are to last until they are cancelled: should one end before, its service ends, too."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

logger = logging.getLogger(__name__)


class LastingTaskError(Exception):
    """A task on which everything else relies has ended."""


_Hear = Callable[[LastingTaskError], None]
_hear_of_end: ContextVar[_Hear | None] = ContextVar("hear of the end of lasting tasks", default=None)


def hear_of_ends(hear: _Hear) -> None:
    """Has ends told that come too early, of tasks that are started below the present one from now on."""
    _hear_of_end.set(hear)


def start_lasting(work: Coroutine[Any, Any, object], *, name: str) -> asyncio.Task[Any]:
    """Starts a task that is to last until it is cancelled. Where it ends before, a service stops with an error."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_look_at_end)
    return task


def _look_at_end(task: asyncio.Task[Any]) -> None:
    if task.cancelled():
        return
    error, name = task.exception(), task.get_name()
    if task.cancelling():
        if error is not None:
            logger.warning("a task that was cancelled ended on an error", extra={"task": name}, exc_info=error)
        return
    logger.critical("a task that is to last has ended", extra={"task": name}, exc_info=error)
    ended = LastingTaskError(f"background task {name!r} has ended: {error!r}")
    ended.__cause__ = error
    hear = _hear_of_end.get()
    if hear is not None:
        hear(ended)
