"""Keeps the segments of a collection merged: asks the policy after each commit, and runs what it wants beside them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConflictError
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.merge_policy import MergePolicy
from sightwire.segments.merge_task import MergeTask
from sightwire_indexer import metrics
from sightwire_indexer.merge_processes import Lane, MergeProcesses

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """When merges happen and what they make."""

    policy: MergePolicy
    graph_min_rows: int
    graph_threads: int
    #: Version up to which tombstones may be dropped, by checkpoint; see `TombstoneHorizon.safe_version`.
    safe_version: Callable[[int], int]


class Merger:
    """Merges of one collection: at most one per lane at a time."""

    def __init__(self, writer: IndexWriter, processes: MergeProcesses, options: MergeOptions) -> None:
        self._writer = writer
        self._processes = processes
        self._options = options
        self._running: dict[Lane, MergeTask] = {}
        self._poked = asyncio.Event()
        self._poked.set()

    @property
    def segments_in_the_making(self) -> list[str]:
        """Ids of segments that running merges write."""
        return [task.identity.id for task in self._running.values()]

    @property
    def safe_version(self) -> int:
        """Version up to which no change can arrive any more, so that its tombstones have done their work."""
        return self._options.safe_version(self._writer.manifest.checkpoint.sequence)

    def poke(self) -> None:
        """Segments changed: there may be something to merge."""
        self._poked.set()

    async def run(self, commit: Callable[[MergeTask], Awaitable[None]]) -> None:
        """Merges until cancelled; running merges are abandoned then.

        Args:
            commit: puts a finished merge into the manifest.

        Raises:
            ConflictError: `commit` said that another indexer owns the collection.
        """
        merges: set[asyncio.Task[None]] = set()
        try:
            while True:
                await self._poked.wait()
                self._poked.clear()
                for merge in [merge for merge in merges if merge.done()]:
                    merges.remove(merge)
                    merge.result()
                for task in self._wanted():
                    lane = self._lane(task)
                    if lane not in self._running:
                        self._running[lane] = task
                        merges.add(asyncio.create_task(self._merge(task, lane, commit)))
        finally:
            await end_tasks(*merges)

    def _wanted(self) -> list[MergeTask]:
        return self._writer.plan_merges(
            self._options.policy,
            graph_min_rows=self._options.graph_min_rows,
            graph_threads=self._options.graph_threads,
            busy=list(self._running.values()),
            drop_tombstones_up_to=self.safe_version,
        )

    def _lane(self, task: MergeTask) -> Lane:
        return Lane.LARGE if task.rows >= self._options.graph_min_rows else Lane.SMALL

    async def _merge(self, task: MergeTask, lane: Lane, commit: Callable[[MergeTask], Awaitable[None]]) -> None:
        started = time.monotonic()
        try:
            await self._processes.run(task, lane)
            metrics.MERGE_SECONDS.labels(lane.value).observe(time.monotonic() - started)
            await commit(task)
            logger.info(
                "merged",
                extra={"collection": task.identity.collection, "sources": len(task.sources), "rows": task.rows},
            )
        except ConflictError:
            raise
        except Exception:
            # The index is as good as before; only its segments stay more than they should be.
            logger.exception("a merge failed and will be tried again", extra={"collection": task.identity.collection})
            metrics.MERGE_FAILURES.inc()
            await asyncio.sleep(_RETRY_SECONDS)
        finally:
            del self._running[lane]
            self._poked.set()
