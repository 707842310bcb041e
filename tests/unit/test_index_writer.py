"""The writer of an index on S3, where segments are copied; the model test covers a local store."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sightwire.blobs import BlobStore, open_blob_store
from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import ConflictError, CorruptDataError, UnavailableError
from sightwire.segments.depot import remove_unfinished_copies
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.manifest import Checkpoint
from sightwire.segments.merge_policy import MergePolicy
from sightwire.segments.merge_task import run_merge
from sightwire.segments.outcomes import ItemOutcome
from sightwire.segments.resolution import Change
from tests.plugin.index_reading import read_index
from tests.plugin.s3_server import S3Stores
from tests.plugin.segments import item

RECORD = CollectionRecord.model_validate(
    {
        "spec": {"name": "photos", "fields": {"image": {"source": "image", "dimension": 8}}},
        "uid": "0",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
)


@pytest.fixture
def blobs(s3: S3Stores) -> BlobStore:
    return s3.open_new()


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


async def test_an_index_is_the_same_from_an_empty_cache(blobs: BlobStore, tmp_path: Path) -> None:
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


async def test_copies_of_segments_that_were_merged_away_are_removed(blobs: BlobStore, tmp_path: Path) -> None:
    writer = await open_writer(blobs, tmp_path)
    await commit_and_merge(writer)
    copies = tmp_path / "indexes/photos-0/segments"
    assert len(list(copies.iterdir())) == 4
    await writer.remove_copies(in_use=())
    assert {folder.name for folder in copies.iterdir()} == {entry.id for entry in writer.manifest.segments}
    assert [outcome.version for outcome in await writer.current(["a", "b"])] == [3, 5]


async def test_the_slower_of_two_writers_is_told_and_changes_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    first = await open_writer(blobs, tmp_path / "first")
    second = await open_writer(blobs, tmp_path / "second")
    await first.commit([put("a", 1)], checkpoint(1))
    with pytest.raises(ConflictError):
        await second.commit([put("a", 2)], checkpoint(1))
    content = await read_index(blobs, RECORD, tmp_path / "reader")
    assert content is not None
    assert content.versions == {"a": 1}


async def test_an_index_of_another_incarnation_is_not_written_to(blobs: BlobStore, tmp_path: Path) -> None:
    await open_writer(blobs, tmp_path)
    manifest_key = "indexes/photos-0/manifests/00000000000000000001.json"
    stored = (await blobs.get(manifest_key)).replace(b'"collection_uid":"0"', b'"collection_uid":"1"')
    await blobs.put(manifest_key, stored)
    with pytest.raises(CorruptDataError, match="uid 1"):
        await open_writer(blobs, tmp_path)


@pytest.mark.parametrize("is_local", [True, False])
async def test_an_index_of_an_earlier_layout_is_not_taken_for_a_new_one(
    blobs: BlobStore, tmp_path: Path, is_local: bool
) -> None:
    if is_local:
        blobs = open_blob_store(str(tmp_path / "blobs"))
    earlier = "indexes/photos-0/g1/manifests/00000000000000000007.json"
    await blobs.put(earlier, b"{}")
    with pytest.raises(
        CorruptDataError, match=r"lie in indexes/photos-0/g1/manifests, expected .*; go back .* or delete"
    ):
        await open_writer(blobs, tmp_path / "cache")
    assert await blobs.keys("indexes") == [earlier]


async def test_a_commit_that_failed_while_the_store_was_away_can_be_repeated(s3: S3Stores, tmp_path: Path) -> None:
    blobs = s3.open_new()
    writer = await open_writer(blobs, tmp_path / "writer")
    await writer.commit([put("a", 1)], checkpoint(1))
    await s3.server.kill()
    with pytest.raises(UnavailableError):
        await writer.commit([put("a", 2), put("b", 3)], checkpoint(2))
    assert writer.manifest.checkpoint == checkpoint(1)
    await s3.server.start()
    await writer.commit([put("a", 2), put("b", 3)], checkpoint(2))
    content = await read_index(blobs, RECORD, tmp_path / "reader")
    assert content is not None
    assert content.versions == {"a": 2, "b": 3}
    assert content.manifest.checkpoint == checkpoint(2)


@pytest.mark.parametrize("name", ["segment.json", "items.arrow"])
async def test_what_is_damaged_in_the_store_never_becomes_a_copy(blobs: BlobStore, tmp_path: Path, name: str) -> None:
    writer = await open_writer(blobs, tmp_path / "writer")
    await writer.commit([put("a", 1)], checkpoint(1))
    (entry,) = writer.manifest.segments
    key = f"indexes/photos-0/segments/{entry.id}/{name}"
    data = await blobs.get(key)
    await blobs.put(key, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CorruptDataError, match="was expected"):
        await open_writer(blobs, tmp_path / "elsewhere")
    assert list((tmp_path / "elsewhere/indexes/photos-0/segments").iterdir()) == []


async def test_what_a_killed_process_left_half_fetched_goes(blobs: BlobStore, tmp_path: Path) -> None:
    writer = await open_writer(blobs, tmp_path)
    await writer.commit([put("a", 1)], checkpoint(1))
    copies = tmp_path / "indexes/photos-0/segments"
    (copies / ".writing-cut-off").mkdir()
    (copies / ".writing-cut-off/items.arrow").write_bytes(b"")
    remove_unfinished_copies(tmp_path)
    assert [folder.name for folder in copies.iterdir()] == [entry.id for entry in writer.manifest.segments]
    remove_unfinished_copies(tmp_path / "nothing")
