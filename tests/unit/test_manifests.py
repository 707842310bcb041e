"""Manifests, delete bitmaps and garbage: what commits rely on, on a local folder and on a remote store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from pyroaring import BitMap

from sightwire.blobs import BlobStore, open_blob_store
from sightwire.errors import ConflictError, CorruptDataError, NotFoundError
from sightwire.segments.atomic_folder import atomic_folder
from sightwire.segments.batch import segment_content
from sightwire.segments.deletes import deleted_mask, load_deletes, store_deletes
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.garbage import collect_garbage, creation_time, unreferenced_keys
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.layout import IndexLayout, manifest_version_of
from sightwire.segments.manifest import Checkpoint, Manifest, SegmentEntry
from sightwire.segments.manifest_store import ManifestStore
from sightwire.segments.writer import write_segment
from tests.plugin.segments import SCHEMA, identity, item

LAYOUT = IndexLayout("indexes/photos-0")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def manifest(version: int, *segments: SegmentEntry, created_at: datetime | None = None) -> Manifest:
    return Manifest(
        version=version,
        collection="photos",
        collection_uid="0",
        generation="g1",
        space="test-1",
        created_at=created_at or datetime.now(UTC),
        checkpoint=Checkpoint(sequence=version, stream_created_at=LONG_AGO),
        segments=segments,
    )


@pytest.fixture(params=["local", "remote"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "local":
        return open_blob_store(str(tmp_path / "blobs"))
    return BlobStore(MemoryStore(), root=None)


async def stored_segment(blobs: BlobStore, depot: SegmentDepot, *ids: str) -> SegmentEntry:
    segment_identity = identity()
    content = segment_content([item(item_id) for item_id in ids], [], SCHEMA)
    write_segment(depot.folder(segment_identity.id), segment_identity, content)
    return await depot.publish(segment_identity.id)


async def test_the_newest_version_is_found(blobs: BlobStore) -> None:
    store = ManifestStore(blobs, LAYOUT)
    assert await store.latest() is None
    for version in (1, 2, 10):
        await store.commit(manifest(version))
    assert await store.versions() == [1, 2, 10]
    assert await store.latest() == await store.read(10)


async def test_the_second_writer_of_a_version_is_told(blobs: BlobStore) -> None:
    store = ManifestStore(blobs, LAYOUT)
    first = manifest(1)
    await store.commit(first)
    with pytest.raises(ConflictError, match="another indexer owns"):
        await store.commit(manifest(1))
    assert await store.read(1) == first


async def test_a_version_that_does_not_exist_is_not_found(blobs: BlobStore) -> None:
    with pytest.raises(NotFoundError):
        await ManifestStore(blobs, LAYOUT).read(3)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"version": 1', b"[1]"])
async def test_what_is_no_manifest_is_corrupt(blobs: BlobStore, data: bytes) -> None:
    await blobs.put(LAYOUT.manifest_key(1), data)
    with pytest.raises(CorruptDataError, match="is not a manifest"):
        await ManifestStore(blobs, LAYOUT).latest()


async def test_a_manifest_under_another_version_is_corrupt(blobs: BlobStore) -> None:
    await blobs.put(LAYOUT.manifest_key(2), manifest(1).model_dump_json().encode())
    with pytest.raises(CorruptDataError, match="holds manifest version 1, expected 2"):
        await ManifestStore(blobs, LAYOUT).read(2)


async def test_pruning_keeps_the_newest_and_the_young(blobs: BlobStore) -> None:
    store = ManifestStore(blobs, LAYOUT)
    for version in range(1, 7):
        await store.commit(manifest(version, created_at=LONG_AGO if version in (1, 2, 4) else None))
    kept = await store.prune(keep=2, older_than=datetime.now(UTC) - timedelta(hours=1))
    assert sorted(manifest.version for manifest in kept) == [3, 5, 6]
    assert await store.versions() == [3, 5, 6]


def test_a_checkpoint_never_goes_back() -> None:
    with pytest.raises(ValueError, match="4 after 5"):
        manifest(5).successor(
            segments=(),
            checkpoint=Checkpoint(sequence=4, stream_created_at=LONG_AGO),
            announced_sequence=0,
            created_at=LONG_AGO,
        )


@pytest.mark.parametrize(
    ("key", "version"),
    [
        (LAYOUT.manifest_key(7), 7),
        ("x/manifests/00000000000000000007.json", 7),
        ("x/manifests/7.json", None),
        ("x/manifests/00000000000000000007.json.tmp", None),
        ("x/segments/00000000000000000007.json", None),
    ],
)
def test_versions_are_read_from_keys(key: str, version: int | None) -> None:
    assert manifest_version_of(key) == version


async def test_a_delete_bitmap_comes_back(blobs: BlobStore) -> None:
    reference = await store_deletes(blobs, LAYOUT, "segment", BitMap([1, 3]))
    assert reference is not None
    loaded = await load_deletes(blobs, reference)
    assert deleted_mask(loaded, 5).tolist() == [False, True, False, True, False]
    assert await load_deletes(blobs, None) == BitMap()
    assert await store_deletes(blobs, LAYOUT, "segment", BitMap()) is None


async def test_a_damaged_delete_bitmap_is_noticed(blobs: BlobStore) -> None:
    reference = await store_deletes(blobs, LAYOUT, "segment", BitMap([1, 3]))
    assert reference is not None
    await blobs.put(reference.key, BitMap([1, 4]).serialize())
    with pytest.raises(CorruptDataError, match="sha256"):
        await load_deletes(blobs, reference)


async def test_two_bitmaps_of_a_segment_never_share_a_key(blobs: BlobStore) -> None:
    references = [await store_deletes(blobs, LAYOUT, "segment", BitMap([1])) for _ in range(2)]
    assert len({reference.key for reference in references if reference is not None}) == 2


async def test_a_published_segment_is_opened_elsewhere(blobs: BlobStore, tmp_path: Path) -> None:
    entry = await stored_segment(blobs, SegmentDepot(blobs, LAYOUT, tmp_path / "writer"), "a", "b")
    reader = await SegmentDepot(blobs, LAYOUT, tmp_path / "reader").open(entry)
    assert sorted(reader.ids([0, 1])) == ["a", "b"]


async def test_another_segment_in_its_place_is_noticed(blobs: BlobStore, tmp_path: Path) -> None:
    depot = SegmentDepot(blobs, LAYOUT, tmp_path / "cache")
    entry = await stored_segment(blobs, depot, "a")
    with pytest.raises(CorruptDataError, match="not the one of the manifest"):
        await depot.open(entry.model_copy(update={"description_sha256": "0" * 64}))


async def test_a_segment_that_is_gone_is_not_found(tmp_path: Path) -> None:
    blobs = BlobStore(MemoryStore(), root=None)
    entry = await stored_segment(blobs, SegmentDepot(blobs, LAYOUT, tmp_path / "writer"), "a")
    await blobs.delete_folder(LAYOUT.segment_prefix(entry.id))
    reader = SegmentDepot(blobs, LAYOUT, tmp_path / "reader")
    with pytest.raises(NotFoundError):
        await reader.open(entry)
    assert not reader.folder(entry.id).exists()


async def test_garbage_is_what_no_kept_manifest_needs(blobs: BlobStore, tmp_path: Path) -> None:
    depot = SegmentDepot(blobs, LAYOUT, tmp_path / "cache")
    store = ManifestStore(blobs, LAYOUT)
    merged_away, live, _crashed, merging = [await stored_segment(blobs, depot, name) for name in "abcd"]
    old_deletes = await store_deletes(blobs, LAYOUT, live.id, BitMap([0]))
    deletes = await store_deletes(blobs, LAYOUT, live.id, BitMap([0]))
    await store.commit(manifest(1, merged_away, live.model_copy(update={"deletes": old_deletes})))
    await store.commit(manifest(2, live.model_copy(update={"deletes": deletes})))
    await collect_garbage(blobs, LAYOUT, keep_manifests=1, min_age=timedelta(hours=1))
    assert await store.versions() == [1, 2], "all of it is young"
    await collect_garbage(blobs, LAYOUT, keep_manifests=1, min_age=timedelta(0), in_use=[merging.id])
    assert await store.versions() == [2]
    keys = await blobs.keys(LAYOUT.segments_prefix) + await blobs.keys(LAYOUT.deletes_prefix)
    assert {key.removeprefix(LAYOUT.prefix).split("/")[2] for key in keys} == {live.id, merging.id}
    assert deletes is not None
    assert deletes.key in keys
    assert old_deletes is not None
    assert old_deletes.key not in keys
    await depot.open(live)


async def test_half_written_folders_of_a_crash_are_removed(tmp_path: Path) -> None:
    blobs = open_blob_store(str(tmp_path))
    left = tmp_path / LAYOUT.segments_prefix / ".writing-x"
    left.mkdir(parents=True)
    (left / "items.arrow").write_bytes(b"x")
    await collect_garbage(blobs, LAYOUT, keep_manifests=1, min_age=timedelta(hours=1))
    assert left.exists()
    await collect_garbage(blobs, LAYOUT, keep_manifests=1, min_age=timedelta(seconds=-1))
    assert not left.exists()


async def test_a_folder_that_is_being_written_stays_however_long_that_takes(tmp_path: Path) -> None:
    blobs = open_blob_store(str(tmp_path))
    segment_id = new_segment_id()
    with atomic_folder(tmp_path / LAYOUT.segment_prefix(segment_id)) as folder:
        (folder / "items.arrow").write_bytes(b"x")
        await collect_garbage(blobs, LAYOUT, keep_manifests=1, min_age=timedelta(seconds=-1), in_use=[segment_id])
        assert folder.exists()


def test_what_has_a_name_of_another_kind_is_left_alone() -> None:
    key = f"{LAYOUT.segments_prefix}/not-ours/file"
    assert unreferenced_keys([key], set(), LAYOUT, in_use=(), older_than=datetime.now(UTC)) == []


def test_a_segment_id_tells_when_it_was_made(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    created = creation_time(new_segment_id())
    assert created is not None
    assert before <= created <= datetime.now(UTC)
