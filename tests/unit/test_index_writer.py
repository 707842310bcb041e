"""The writer of an index on a remote store, where segments are copied; the model test covers the local one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from sightwire.blobs import BlobStore, open_blob_store
from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import ConflictError, CorruptDataError
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.manifest import Checkpoint
from sightwire.segments.merge_policy import MergePolicy
from sightwire.segments.merge_task import run_merge
from sightwire.segments.outcomes import ItemOutcome
from sightwire.segments.resolution import Change
from tests.plugin.index_reading import read_index
from tests.plugin.segments import item

RECORD = CollectionRecord.model_validate(
    {
        "spec": {"name": "photos", "fields": {"image": {"source": "image", "dimension": 8}}},
        "uid": "0",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
)


def checkpoint(sequence: int) -> Checkpoint:
    return Checkpoint(sequence=sequence, stream_created_at=datetime(2026, 1, 1, tzinfo=UTC))


async def open_writer(blobs: BlobStore, cache: Path) -> IndexWriter:
    return await IndexWriter.open(RECORD, blobs, cache, new_index_checkpoint=checkpoint(0))


def put(item_id: str, version: int) -> Change:
    return Change(item_id, version, item(item_id, version))


async def commit_and_merge(writer: IndexWriter) -> None:
    """Three commits, the third while the first two are being merged."""
    await writer.commit([put("a", 1), put("b", 2), put("c", 2)], checkpoint(1))
    await writer.commit([put("a", 3), Change("x", 4, None)], checkpoint(2))
    (task,) = writer.merge_planner(graph_min_rows=1).merges(MergePolicy(segments_per_tier=2, max_deleted_share=1.0))
    run_merge(task)
    await writer.commit([put("b", 5), put("x", 3)], checkpoint(3))
    await writer.commit_merge(task)


async def test_an_index_is_the_same_from_an_empty_cache(tmp_path: Path) -> None:
    blobs = BlobStore(MemoryStore(), root=None)
    writer = await open_writer(blobs, tmp_path / "writer")
    await commit_and_merge(writer)
    elsewhere = await open_writer(blobs, tmp_path / "elsewhere")
    assert elsewhere.manifest == writer.manifest
    assert await elsewhere.current(["a", "b", "x", "unknown"]) == [
        ItemOutcome("a", 3, deleted=False, objects=0),
        ItemOutcome("b", 5, deleted=False, objects=0),
        ItemOutcome("x", 4, deleted=True, objects=0),
    ]
    content = await read_index(blobs, RECORD, tmp_path / "reader")
    assert content is not None
    assert content.versions == {"a": 3, "b": 5, "c": 2}


async def test_copies_of_segments_that_were_merged_away_are_removed(tmp_path: Path) -> None:
    blobs = BlobStore(MemoryStore(), root=None)
    writer = await open_writer(blobs, tmp_path)
    await commit_and_merge(writer)
    copies = tmp_path / "indexes/photos-0/segments"
    assert len(list(copies.iterdir())) == 4
    await writer.remove_copies(in_use=())
    assert {folder.name for folder in copies.iterdir()} == {entry.id for entry in writer.manifest.segments}
    assert [outcome.version for outcome in await writer.current(["a", "b"])] == [3, 5]


async def test_the_slower_of_two_writers_is_told_and_changes_nothing(tmp_path: Path) -> None:
    blobs = BlobStore(MemoryStore(), root=None)
    first = await open_writer(blobs, tmp_path / "first")
    second = await open_writer(blobs, tmp_path / "second")
    await first.commit([put("a", 1)], checkpoint(1))
    with pytest.raises(ConflictError):
        await second.commit([put("a", 2)], checkpoint(1))
    content = await read_index(blobs, RECORD, tmp_path / "reader")
    assert content is not None
    assert content.versions == {"a": 1}


async def test_an_index_of_another_incarnation_is_not_written_to(tmp_path: Path) -> None:
    blobs = BlobStore(MemoryStore(), root=None)
    await open_writer(blobs, tmp_path)
    manifest_key = "indexes/photos-0/manifests/00000000000000000001.json"
    stored = (await blobs.get(manifest_key)).replace(b'"collection_uid":"0"', b'"collection_uid":"1"')
    await blobs.put(manifest_key, stored)
    with pytest.raises(CorruptDataError, match="uid 1"):
        await open_writer(blobs, tmp_path)


@pytest.mark.parametrize("is_local", [True, False])
async def test_an_index_of_an_earlier_layout_is_not_taken_for_a_new_one(tmp_path: Path, is_local: bool) -> None:
    blobs = open_blob_store(str(tmp_path / "blobs")) if is_local else BlobStore(MemoryStore(), root=None)
    earlier = "indexes/photos-0/g1/manifests/00000000000000000007.json"
    await blobs.put(earlier, b"{}")
    with pytest.raises(
        CorruptDataError, match=r"lie in indexes/photos-0/g1/manifests, expected .*; go back .* or delete"
    ):
        await open_writer(blobs, tmp_path / "cache")
    assert await blobs.keys("indexes") == [earlier]
