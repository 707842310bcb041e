"""Merges of one collection in processes of their own: what is built in a hurry is built anew once it is quiet."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sightwire_indexer.ingest_pace import IngestPace, PaceLimits
from sightwire_indexer.merge_processes import MergeProcesses
from sightwire_indexer.merging import MergeOptions, Merger

from services.indexer.tests.indexer_world import DIMENSION, collection_record
from sightwire.blobs import open_blob_store
from sightwire.ending_tasks import end_tasks
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.manifest import Checkpoint
from sightwire.segments.merge_policy import MergePolicy
from sightwire.segments.merge_task import MergeTask
from sightwire.segments.reader import SegmentReader
from sightwire.segments.resolution import Change
from sightwire.segments.vector_indexes.kinds import IndexKind
from tests.plugin.processes import run_to_end
from tests.plugin.segments import item
from tests.plugin.waiting import wait_until

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
MIN_ROWS = 1_000


def changes(first: int, count: int) -> list[Change]:
    vectors = np.random.default_rng(first).random((count, DIMENSION), dtype=np.float32)
    return [
        Change(f"item-{number}", number, item(f"item-{number}", number, vectors={"vector": vector.tobytes()}))
        for number, vector in enumerate(vectors, start=first)
    ]


class MergedIndex:
    """An index, and a merger that keeps it merged; remembers which kind of index each merge built."""

    def __init__(self, writer: IndexWriter, processes: MergeProcesses, pace: IngestPace) -> None:
        self.writer = writer
        self.kinds: list[IndexKind] = []
        options = MergeOptions(MergePolicy(segments_per_tier=2), MIN_ROWS, 1)
        self.merger = Merger(writer, processes, options, safe_version=lambda _checkpoint: 0, pace=pace)

    async def put(self, first: int, count: int) -> None:
        await self.writer.commit(changes(first, count), Checkpoint(sequence=first, stream_created_at=CREATED))
        self.merger.poke(count)

    async def commit_merge(self, task: MergeTask) -> None:
        assert await self.writer.commit_merge(task)
        self.kinds.append(SegmentReader.open(task.destination).fields["vector"].kind)


@asynccontextmanager
async def merged_index(folder: Path, pace: IngestPace) -> AsyncIterator[MergedIndex]:
    """An index whose merger runs until the context is left."""
    checkpoint = Checkpoint(sequence=0, stream_created_at=CREATED)
    blobs = open_blob_store(str(folder / "blobs"))
    writer = await IndexWriter.open(
        collection_record("stream"), blobs, folder / "cache", new_index_checkpoint=checkpoint
    )
    async with MergeProcesses() as processes:
        index = MergedIndex(writer, processes, pace)
        running = asyncio.create_task(index.merger.run(index.commit_merge))
        try:
            yield index
        finally:
            await end_tasks(running)


async def test_what_was_built_in_a_hurry_gets_its_graph_once_it_is_quiet(tmp_path: Path):
    async with merged_index(tmp_path, IngestPace(PaceLimits(100, 50, window_seconds=3.0))) as index:
        await index.put(1, 600)
        await index.put(601, 600)
        await wait_until(lambda: len(index.kinds) == 2, deadline=60)
    assert index.kinds == [IndexKind.IVF_SQ, IndexKind.HNSW]
    assert index.writer.manifest.items == 1_200


class QuietUnseen(IngestPace):
    """Becomes quiet after merges were planned once more in a hurry, and before anybody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        #: Indexes that were built so far; the first one is the last in a hurry.
        self.built: list[IndexKind] = []
        self._asked_since = 0

    def is_hurried(self, time: float) -> bool:
        self._asked_since += bool(self.built)
        return self._asked_since < 2

    def calm_at(self, time: float) -> float | None:
        return None if self._asked_since else time + 60


async def test_graphs_are_built_although_it_became_quiet_between_planning_and_waiting(tmp_path: Path):
    pace = QuietUnseen()
    async with merged_index(tmp_path, pace) as index:
        pace.built = index.kinds
        await index.put(1, 600)
        await index.put(601, 600)
        await wait_until(lambda: len(index.kinds) == 2, deadline=60)
    assert index.kinds == [IndexKind.IVF_SQ, IndexKind.HNSW]


async def test_a_process_that_merges_gives_way():
    code = (
        "import os; from sightwire_indexer.merge_priority import give_way; give_way(os.getppid(), 7);"
        "print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_BATCH, os.getsid(0) == os.getpid());"
        "print(open('/proc/self/autogroup').read() if os.path.exists('/proc/self/autogroup') else 'nice 7')"
    )
    status, output = await run_to_end(sys.executable, "-c", code)
    assert status == 0, output
    first, second, *_ = output.splitlines()
    assert first == f"{min(19, os.nice(0) + 7)} True True"
    assert second.endswith("nice 7")
