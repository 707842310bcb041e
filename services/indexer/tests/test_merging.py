"""Merges of one collection in processes of their own: what is built in a hurry is built anew once it is quiet."""

import asyncio
import os
import sys
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


async def test_what_was_built_in_a_hurry_gets_its_graph_once_it_is_quiet(tmp_path: Path):
    record = collection_record("stream")
    checkpoint = Checkpoint(sequence=0, stream_created_at=CREATED)
    blobs = open_blob_store(str(tmp_path / "blobs"))
    writer = await IndexWriter.open(record, blobs, tmp_path / "cache", new_index_checkpoint=checkpoint)
    async with MergeProcesses() as processes:
        index = MergedIndex(writer, processes, IngestPace(PaceLimits(100, 50, window_seconds=3.0)))
        running = asyncio.create_task(index.merger.run(index.commit_merge))
        try:
            await index.put(1, 600)
            await index.put(601, 600)
            await wait_until(lambda: len(index.kinds) == 2 or running.done(), deadline=60)
        finally:
            await end_tasks(running)
    assert index.kinds == [IndexKind.IVF_SQ, IndexKind.HNSW]
    assert writer.manifest.items == 1_200


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
