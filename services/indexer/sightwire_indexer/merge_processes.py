"""Runs merges in processes of their own, at low priority, so that commits and queries keep the cores they need."""

import asyncio
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

from sightwire.errors import UnavailableError
from sightwire.segments.merge_task import MergeTask, run_merge
from sightwire_indexer.merge_priority import give_way

logger = logging.getLogger(__name__)


class Lane(StrEnum):
    """Merges that take about as long share a process of their own: short ones must not wait behind those of hours."""

    #: Nothing is indexed.
    SHORT = "short"
    #: Seconds.
    MEDIUM = "medium"
    #: Minutes to hours.
    LONG = "long"


#: Nice values: merges take what commits and queries leave. Short and medium ones still get a share when nothing is
#: left, since segments would pile up otherwise and cost every query more; nobody waits for the long ones.
_NICE: Final[Mapping[Lane, int]] = {Lane.SHORT: 6, Lane.MEDIUM: 12, Lane.LONG: 19}


class MergeProcesses:
    """One process per lane, started with its first merge. Use as an async context manager.

    Args:
        run: what a process does with a task.
    """

    def __init__(self, run: Callable[[MergeTask], None] = run_merge) -> None:
        self._run = run
        self._pools: dict[Lane, ProcessPoolExecutor] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        for lane in list(self._pools):
            pool = self._discard(lane)
            # Its processes are dead, so this only takes apart what connected them.
            await asyncio.to_thread(pool.shutdown)

    async def run(self, task: MergeTask, lane: Lane) -> float:
        """Runs a merge to its end; returns its CPU seconds.

        Raises:
            UnavailableError: its process was killed; nothing remains of the merge, try again.
        """
        pool = self._pools.get(lane)
        if pool is None:
            pool = self._pools[lane] = ProcessPoolExecutor(
                max_workers=1,
                # A fork would share threads' locks and FAISS's thread pool with this process.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=give_way,
                initargs=(os.getpid(), _NICE[lane]),
            )
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, _cpu_seconds, self._run, task)
        except BrokenProcessPool as error:
            if self._pools.get(lane) is pool:
                self._discard(lane)
            raise UnavailableError(f"the process of {lane.value} merges died: {error}") from error

    def _discard(self, lane: Lane) -> ProcessPoolExecutor:
        """Ends a lane's process without waiting for its merge: what it wrote so far has no name yet."""
        pool = self._pools.pop(lane)
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        return pool


def _cpu_seconds(run: Callable[[MergeTask], None], task: MergeTask) -> float:
    """Runs a task in this process; the CPU seconds that all its threads took for it."""
    before = time.process_time()
    run(task)
    return time.process_time() - before
