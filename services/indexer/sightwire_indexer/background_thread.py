"""A thread for work that must not get in the way: reading everything, comparing everything, on one processor."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, ParamSpec, Self, TypeVar

import faiss

_LOW_PRIORITY: Final = 10
_LOWEST_PRIORITY: Final = 19

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class AbandonedError(Exception):
    """Nobody waits for the work any more."""


class BackgroundThread:
    """One thread. Leaving it waits for nothing: work that calls `go_on` now and then ends soon.

    Args:
        niceness: added to the thread's nice value, where threads have their own (Linux).
    """

    def __init__(self, *, niceness: int = _LOW_PRIORITY) -> None:
        self._executor = ThreadPoolExecutor(
            1, thread_name_prefix="background", initializer=_be_modest, initargs=(niceness,)
        )
        self._abandoned = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._abandoned.set()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def run(
        self, work: Callable[_Parameters, _Result], *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> _Result:
        """Runs `work` in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: work(*args, **kwargs))

    def go_on(self) -> None:
        """Called by long work between two steps.

        Raises:
            AbandonedError: the work is not wanted any more.
        """
        if self._abandoned.is_set():
            raise AbandonedError


def _be_modest(niceness: int) -> None:
    # For searches of this thread alone; searchers search so, too.
    faiss.omp_set_num_threads(1)
    # A thread's id names it alone to the kernel; elsewhere than on Linux it would be the whole process.
    if niceness and os.uname().sysname == "Linux":
        thread = threading.get_native_id()
        present = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(present + niceness, _LOWEST_PRIORITY))
