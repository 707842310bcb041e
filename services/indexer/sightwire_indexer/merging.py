"""Keeps the segments of a collection merged: asks the policy after each commit, and runs what it wants beside them."""

import asyncio
import contextlib
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
from sightwire_indexer.ingest_pace import IngestPace
from sightwire_indexer.merge_processes import Lane, MergeProcesses

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 30.0
#: What a row of a merge takes about, with one vector of 384 numbers and one thread on busy cores.
_GRAPH_ROW_SECONDS: Final = 1e-3
_ROW_SECONDS: Final = 1e-4
#: Expected duration up to which a merge may hold up others of its lane.
_MEDIUM_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """When merges happen and what they make."""

    policy: MergePolicy
    graph_min_rows: int
    graph_threads: int


class Merger:
    """Merges of one collection: at most one per lane at a time.

    While items stream in, large segments get indexes that are built quickly; those are built anew once it is quiet.

    Args:
        safe_version: version up to which tombstones may be dropped, by checkpoint; see `TombstoneHorizon`.
    """

    def __init__(
        self,
        writer: IndexWriter,
        processes: MergeProcesses,
        options: MergeOptions,
        *,
        safe_version: Callable[[int], int],
        pace: IngestPace | None = None,
    ) -> None:
        self._writer = writer
        self._processes = processes
        #: Of the merges that are planned from now on; may be replaced.
        self.options = options
        self._safe_version = safe_version
        self._pace = pace or IngestPace()
        self._running: dict[Lane, MergeTask] = {}
        #: Whether what is wanted was asked for last while items streamed in.
        self._was_hurried = False
        self._poked = asyncio.Event()
        self._poked.set()

    @property
    def segments_in_the_making(self) -> list[str]:
        """Ids of segments that running merges write."""
        return [task.identity.id for task in self._running.values()]

    @property
    def safe_version(self) -> int:
        """Version up to which no change can arrive any more, so that its tombstones have done their work."""
        return self._safe_version(self._writer.manifest.checkpoint.sequence)

    def poke(self, items: int = 0) -> None:
        """Segments changed, by a commit of so many items: there may be something to merge."""
        self._pace.committed(time.monotonic(), items)
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
                await self._wait_for_change()
                for merge in [merge for merge in merges if merge.done()]:
                    merges.remove(merge)
                    merge.result()
                for task in self._wanted():
                    lane = lane_of(task, self.options.graph_min_rows)
                    if lane not in self._running:
                        self._running[lane] = task
                        merges.add(asyncio.create_task(self._merge(task, lane, commit)))
        finally:
            await end_tasks(*merges)

    async def _wait_for_change(self) -> None:
        """Returns when segments changed, or when the stream of items has become quiet."""
        calm_at = self._pace.calm_at(time.monotonic())
        if calm_at is None and self._was_hurried:
            return  # It has become quiet since.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if calm_at is None else max(0.0, calm_at - time.monotonic())):
                await self._poked.wait()
        self._poked.clear()

    def _wanted(self) -> list[MergeTask]:
        hurry = self._was_hurried = self._pace.is_hurried(time.monotonic())
        options, running = self.options, list(self._running.values())
        planner = self._writer.merge_planner(
            graph_min_rows=options.graph_min_rows,
            graph_threads=options.graph_threads,
            drop_tombstones_up_to=self.safe_version,
        )
        merges = planner.merges(options.policy, hurry=hurry, busy=running)
        if hurry:
            return merges
        upgrades = planner.upgrades(busy=[*running, *merges])
        return [*merges, *upgrades]

    async def _merge(self, task: MergeTask, lane: Lane, commit: Callable[[MergeTask], Awaitable[None]]) -> None:
        started = time.monotonic()
        metrics.MERGES_RUNNING.labels(lane.value).inc()
        try:
            cpu_seconds = await self._processes.run(task, lane)
            metrics.MERGE_CPU_SECONDS.labels(lane.value).inc(cpu_seconds)
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
            metrics.MERGES_RUNNING.labels(lane.value).dec()
            del self._running[lane]
            self._poked.set()


def lane_of(task: MergeTask, min_rows: int) -> Lane:
    """Where a merge runs.

    Args:
        min_rows: vectors of a field from which it gets an index.
    """
    if task.rows < min_rows:
        return Lane.SHORT
    row_seconds = _GRAPH_ROW_SECONDS if task.indexes.builds_graphs(task.rows) else _ROW_SECONDS
    return Lane.MEDIUM if task.rows * row_seconds <= _MEDIUM_SECONDS else Lane.LONG
