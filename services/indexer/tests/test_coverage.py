"""Two copies of a collection's items are compared wherever their segments are stored."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from sightwire_indexer.coverage import CoverageDesk

from services.indexer.tests.indexer_world import collection_record
from sightwire.blobs import BlobStore, open_blob_store
from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import InvalidInputError, UnknownCollectionError
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.manifest import Checkpoint
from sightwire.segments.resolution import Change
from tests.plugin.segments import item

OWN = collection_record("photos").model_copy(update={"shadows": ("photos--1",)})
SHADOW = collection_record("photos--1", uid="111111111111").model_copy(update={"shadow_of": "photos"})
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


async def write(blobs: BlobStore, record: CollectionRecord, cache: Path, *changes: Change) -> None:
    """Commits each change on its own."""
    writer = await IndexWriter.open(
        record, blobs, cache, new_index_checkpoint=Checkpoint(sequence=0, stream_created_at=CREATED)
    )
    for sequence, change in enumerate(changes, 1):
        await writer.commit([change], Checkpoint(sequence=sequence, stream_created_at=CREATED))


def put(item_id: str, version: int) -> Change:
    return Change(item_id, version, item(item_id, version, vectors={}))


@pytest.mark.parametrize("is_local", [True, False])
async def test_segments_are_compared_where_they_are(tmp_path: Path, is_local: bool) -> None:
    blobs = open_blob_store(str(tmp_path / "blobs")) if is_local else BlobStore(MemoryStore(), root=None)
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    await write(blobs, OWN, tmp_path / "other indexer", put("a", 1), put("b", 2), put("b", 3), Change("c", 4, None))
    await write(blobs, SHADOW, work_dir, put("a", 1), put("b", 2), put("c", 3))
    desk = CoverageDesk(blobs, work_dir, {"photos": OWN, "photos--1": SHADOW}.get)
    before = sorted(work_dir.rglob("*"))
    coverage = await desk.compare("photos--1", sample=10)
    assert (coverage.items, coverage.shadow_items) == (2, 3)
    assert (coverage.checkpoint, coverage.shadow_checkpoint) == (4, 3)
    assert (coverage.missing_items, coverage.surplus_items) == ((("b", 3, 2),), (("c", 0, 3),))
    assert sorted(work_dir.rglob("*")) == before, "what was fetched to be compared is left"


async def test_an_index_that_nobody_has_opened_yet_lacks_everything(tmp_path: Path) -> None:
    blobs = BlobStore(MemoryStore(), root=None)
    await write(blobs, OWN, tmp_path, put("a", 1))
    desk = CoverageDesk(blobs, tmp_path, {"photos": OWN, "photos--1": SHADOW}.get)
    coverage = await desk.compare("photos--1", sample=1)
    assert (coverage.shadow_manifest_version, coverage.missing, coverage.is_complete) == (0, 1, False)


async def test_what_is_gone_cannot_be_compared(tmp_path: Path) -> None:
    blobs = BlobStore(MemoryStore(), root=None)
    with pytest.raises(UnknownCollectionError, match="'photos'"):
        await CoverageDesk(blobs, tmp_path, {"photos--1": SHADOW}.get).compare("photos--1", sample=1)
    given_up = OWN.model_copy(update={"answering": "photos--1", "has_index": False})
    with pytest.raises(InvalidInputError, match="no index of its own"):
        await CoverageDesk(blobs, tmp_path, {"photos": given_up, "photos--1": SHADOW}.get).compare("photos", sample=1)
