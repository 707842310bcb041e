"""Backups: what they hold, what is stored once, what is found to be damaged, who can read them, and the way back."""

import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
import pytest_asyncio
import zstandard
from obstore.store import MemoryStore
from prometheus_client import REGISTRY
from sightwire_indexer.backups.encoding import Cipher
from sightwire_indexer.backups.locking import BackupLocks, lock_name

from services.indexer.tests.backup_world import BackupWorld, RememberedOperation, delete, photos, put
from sightwire.blobs import BlobStore, open_blob_store
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.leases import RENEW_SECONDS
from sightwire.contracts.backups import BackupRetention
from sightwire.contracts.operations import Backup, Progress, Restore
from sightwire.contracts.streams import LEASES
from sightwire.errors import (
    ConfigurationError,
    ConflictError,
    CorruptDataError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from sightwire.segments.garbage import collect_garbage
from sightwire.segments.generations import GenerationState
from sightwire.segments.layout import IndexLayout
from tests.plugin.waiting import wait_until

BEFORE = {"a": 1, "c": 3, "d": 5}


@pytest_asyncio.fixture(loop_scope="session", params=["local", "remote"])
async def world(
    request: pytest.FixtureRequest, bus: Bus, tmp_path: Path, unique_name: Callable[..., str]
) -> AsyncIterator[BackupWorld]:
    """Three segments, one of them with a deleted row, and a remembered deletion."""
    if request.param == "local":
        blobs, backup_blobs = (open_blob_store(str(tmp_path / name)) for name in ("blobs", "backups"))
    else:
        blobs, backup_blobs = (BlobStore(MemoryStore(), root=None) for _ in range(2))
    world = BackupWorld(bus, photos(unique_name("photos")), blobs, backup_blobs, tmp_path)
    await world.reopen()
    await world.commit(put("a", 1, text="a beach"), put("b", 2), put("c", 3))
    await world.commit(delete("b", 4))
    await world.commit(put("d", 5))
    yield world


def keys_pair(folder: Path, name: str) -> tuple[str, Path]:
    """A new age recipient, and the file with its identity."""
    identity = pyrage.x25519.Identity.generate()
    path = folder / f"{name}.txt"
    path.write_text(f"# {name}\n{identity}\n")
    return str(identity.to_public()), path


async def damage(world: BackupWorld, position: int = -10) -> str:
    """Changes a byte of the largest stored file; returns the name that its segment knows it by."""
    backup = (await world.backups.store.catalogues())[0].backups[0]
    file = max(backup.files, key=lambda file: file.stored_bytes)
    key = backup.layout.file_key(file.stored_name)
    data = bytearray(await world.backup_blobs.get(key))
    data[position] ^= 1
    await world.backup_blobs.put(key, bytes(data))
    return file.name


async def test_a_backup_comes_back_as_it_was(world: BackupWorld) -> None:
    before = world.writer.manifest
    result = await world.back_up()
    assert result["stored_bytes"] == result["added_bytes"] > 0
    (summary,) = await world.desk.list(world.record.name)
    assert (summary.id, summary.items, summary.segments) == (result["backup"], 3, len(before.segments))
    assert (summary.generation, summary.manifest_version, summary.encrypted) == ("g1", before.version, False)
    assert (await world.desk.verify(summary.id)).passed
    await world.commit(put("a", 6), delete("c", 7), put("e", 8))

    restored = await world.restore(summary.id)
    assert await world.versions() == BEFORE
    assert world.writer.manifest.generation == restored["generation"]
    # The deletion is remembered, so that an older event of the item stays without effect.
    await world.commit(put("b", 2), put("a", 9))
    assert await world.versions() == {**BEFORE, "a": 9}
    assert world.writer.manifest.checkpoint.sequence > before.checkpoint.sequence


async def test_segments_that_the_index_still_has_are_not_copied(world: BackupWorld) -> None:
    backup = (await world.back_up())["backup"]
    before = world.writer.manifest.segments
    await world.restore(backup)
    assert [entry.id for entry in world.writer.manifest.segments] == [entry.id for entry in before]


async def test_a_damaged_segment_is_replaced_by_a_restoration(world: BackupWorld) -> None:
    backup = (await world.back_up())["backup"]
    damaged = world.writer.manifest.segments[0].id
    key = f"{IndexLayout.of(world.record).segment_prefix(damaged)}/items.arrow"
    data = await world.blobs.get(key)
    await world.blobs.put(key, data[:-1] + bytes([data[-1] ^ 1]))
    await world.restore(backup)
    assert damaged not in [entry.id for entry in world.writer.manifest.segments]
    assert await world.versions() == BEFORE


async def test_what_is_stored_is_not_stored_again(world: BackupWorld) -> None:
    await world.back_up()
    keys = set(await world.stored_keys())
    again = await world.back_up()
    assert again["added_bytes"] == 0
    assert {key.rpartition("/")[2] for key in set(await world.stored_keys()) - keys} == {"backup.json"}
    await world.commit(put("f", 9))
    more = await world.back_up()
    assert 0 < more["added_bytes"] < more["stored_bytes"]


async def test_a_merge_away_of_everything_leaves_old_backups_whole(world: BackupWorld) -> None:
    backup = (await world.back_up())["backup"]
    await world.merge()
    await collect_garbage(world.blobs, IndexLayout.of(world.record), keep_manifests=1, min_age=timedelta(0))
    await world.restore(backup)
    assert await world.versions() == BEFORE


@dataclass
class CollectingOperation(RememberedOperation):
    """Garbage is collected at each step, however young it is; before the first, a merge makes some."""

    world: BackupWorld | None = None

    async def report(self, progress: Progress) -> None:
        assert self.world is not None
        if not self.progress:
            await self.world.merge()
        await super().report(progress)
        await collect_garbage(
            self.world.blobs, IndexLayout.of(self.world.record), keep_manifests=1, min_age=timedelta(0)
        )


async def test_garbage_collection_removes_nothing_that_a_backup_or_a_restoration_needs(world: BackupWorld) -> None:
    backing_up = CollectingOperation(world.operation(Backup()).record, world=world)
    backup = (await world.carry_out(backing_up))["backup"]
    assert (await world.desk.verify(backup)).passed
    assert await world.writer.generations() == []

    await world.commit(put("e", 6))
    await world.commit(put("f", 7))
    restoring = CollectingOperation(world.operation(Restore(backup=backup)).record, world=world)
    await world.carry_out(restoring)
    assert {progress.stage for progress in restoring.progress} == {"comparing", "restoring"}
    assert await world.versions() == BEFORE


async def test_a_backup_becomes_another_collection(world: BackupWorld, unique_name: Callable[..., str]) -> None:
    backup = (await world.back_up())["backup"]
    name = unique_name("copy")
    record = await world.desk.prepare_restore(backup, name)
    assert (record.name, record.spec.fields) == (name, world.record.spec.fields)
    assert record.uid != world.record.uid
    assert await CollectionRegistry(world.bus).get(name) == record
    assert await world.desk.prepare_restore(backup, name) == record

    copy = replace(world, record=record)
    await copy.reopen()
    await copy.restore(backup)
    assert await copy.versions() == BEFORE
    folders = [await copy.writer.depot.open(entry) for entry in copy.writer.manifest.segments]
    assert {(reader.description.collection, reader.description.collection_uid) for reader in folders} == {
        (name, record.uid)
    }
    assert {reader.id for reader in folders} == {entry.id for entry in copy.writer.manifest.segments}
    # Both indexes have the same vectors; the store of the copy's backups is its own.
    assert (await copy.back_up())["added_bytes"] > 0
    assert await world.versions() == BEFORE


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"fields": {"image": {"source": "image", "dimension": 4}}}, "dimension of field 'image' was 8, is 4"),
        ({"fields": {"image": {"source": "image", "dimension": 8, "metric": "dot"}}}, "was cosine, is dot"),
        ({"fields": {"other": {"source": "image", "dimension": 8}}}, "it has no vector field 'image'"),
        ({"metadata": {"shop": {"type": "string"}}}, "the backup has no metadata field 'shop'"),
        ({"language": "german"}, "its language was english, is german"),
    ],
)
async def test_a_collection_with_another_schema_is_refused(
    world: BackupWorld, unique_name: Callable[..., str], spec: dict[str, object], words: str
) -> None:
    backup = (await world.back_up())["backup"]
    other = photos(unique_name("other"), **spec)
    await CollectionRegistry(world.bus).create(other)
    with pytest.raises(InvalidInputError, match=words):
        await world.desk.prepare_restore(backup, other.name)
    target = replace(world, record=other)
    await target.reopen()
    with pytest.raises(InvalidInputError, match=words):
        await target.restore(backup)
    assert await target.writer.generations() == []


async def test_another_space_is_refused(world: BackupWorld, unique_name: Callable[..., str]) -> None:
    backup = (await world.back_up())["backup"]
    target = replace(world, record=photos(unique_name("other")).model_copy(update={"space": "second-space"}))
    await target.reopen()
    with pytest.raises(InvalidInputError, match=r"of space 'first-space', but those of .* are of 'second-space'"):
        await target.restore(backup)


async def test_damage_is_found_and_never_restored(world: BackupWorld, unique_name: Callable[..., str]) -> None:
    backup = (await world.back_up())["backup"]
    name = await damage(world)
    verification = await world.desk.verify(backup)
    assert len(verification.problems) == 1
    assert f"its file {name} is damaged" in verification.problems[0]
    copy = replace(world, record=photos(unique_name("copy")))
    await copy.reopen()
    with pytest.raises(CorruptDataError, match=f"its file {name} is damaged"):
        await copy.restore(backup)
    assert await copy.versions() == {}
    assert all(record.state is GenerationState.BUILDING for record in await copy.writer.generations())


async def test_a_file_that_is_gone_is_found(world: BackupWorld) -> None:
    backup = (await world.back_up())["backup"]
    catalogue = (await world.backups.store.catalogues())[0]
    gone = (await world.backups.store.files.all(catalogue.layout))[0]
    await world.backups.store.files.delete([gone])
    assert "is gone" in (await world.desk.verify(backup)).problems[0]
    # The next backup stores it again.
    again = await world.back_up()
    assert (await world.desk.verify(again["backup"])).passed


async def test_a_damaged_description_hides_one_backup_and_keeps_all_files(world: BackupWorld) -> None:
    first, second = (await world.back_up())["backup"], (await world.back_up())["backup"]
    layout = (await world.backups.store.layouts(world.record.name))[0]
    key = layout.manifest_key(first)
    data = await world.backup_blobs.get(key)
    await world.backup_blobs.put(key, data.replace(b'"g1"', b'"g2"'))
    assert [summary.id for summary in await world.desk.list(None)] == [second]
    with pytest.raises(CorruptDataError, match="not a whole description"):
        await world.desk.verify(first)
    files = await world.backups.store.files.all(layout)
    await world.desk.prune(None, BackupRetention(keep=1))
    assert await world.backups.store.files.all(layout) == files


async def test_a_damaged_segment_is_not_backed_up(world: BackupWorld) -> None:
    entry = world.writer.manifest.segments[0]
    key = f"{IndexLayout.of(world.record).segment_prefix(entry.id)}/items.arrow"
    data = await world.blobs.get(key)
    await world.blobs.put(key, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CorruptDataError, match=rf"segment {entry.id} .* its file items\.arrow is damaged"):
        await world.back_up()
    assert await world.desk.list(None) == ()


async def test_encrypted_backups_are_read_with_the_identity_alone(world: BackupWorld, tmp_path: Path) -> None:
    recipient, identity = keys_pair(tmp_path, "right")
    _, wrong_identity = keys_pair(tmp_path, "wrong")
    in_clear = (await world.back_up())["backup"]
    writing = replace(world, cipher=Cipher([recipient]))
    result = await writing.back_up()
    # What is stored in clear is not good enough.
    assert result["added_bytes"] == result["stored_bytes"]
    with pytest.raises(ConfigurationError, match="set SIGHTWIRE_INDEXER_BACKUP_IDENTITY"):
        await writing.desk.verify(result["backup"])
    with pytest.raises(ConfigurationError, match="none of the 1 configured age identities"):
        await replace(world, cipher=Cipher([recipient], wrong_identity)).restore(result["backup"])
    reading = replace(world, cipher=Cipher([recipient], identity))
    summaries = {summary.id: summary for summary in await reading.desk.list(None)}
    assert summaries[result["backup"]].encrypted
    assert not summaries[in_clear].encrypted
    assert (await reading.desk.verify(result["backup"])).passed
    assert (await reading.back_up())["added_bytes"] == 0
    await world.commit(put("a", 6))
    await reading.restore(result["backup"])
    assert await world.versions() == BEFORE


async def test_other_programs_can_read_what_is_stored(world: BackupWorld, tmp_path: Path) -> None:
    recipient, identity = keys_pair(tmp_path, "right")
    await replace(world, cipher=Cipher([recipient])).back_up()
    (catalogue,) = await world.backups.store.catalogues()
    file = next(file for file in catalogue.backups[0].files if file.name == "items.arrow")
    stored = await world.backup_blobs.get(catalogue.layout.file_key(file.stored_name))
    secret = pyrage.x25519.Identity.from_str(identity.read_text().splitlines()[1])
    data = zstandard.ZstdDecompressor().decompressobj().decompress(pyrage.decrypt(stored, [secret]))
    assert len(data) == file.bytes
    assert data.startswith(b"ARROW1")


@pytest.mark.parametrize(
    ("recipient", "lines", "words"),
    [
        ("age1nonsense", "", "'age1nonsense' is not an age recipient"),
        (None, "", "holds no age identity"),
        (None, "AGE-SECRET-KEY-1NONSENSE", "has a line that is not an age identity"),
    ],
)
def test_wrong_keys_are_refused_at_the_start(tmp_path: Path, recipient: str | None, lines: str, words: str) -> None:
    identity = tmp_path / "identity.txt"
    identity.write_text(lines)
    with pytest.raises(ConfigurationError, match=words) as refused:
        Cipher([recipient] if recipient else [], None if recipient else identity)
    assert "NONSENSE" not in str(refused.value)


async def test_pruning_keeps_what_the_retention_says_and_their_files(world: BackupWorld) -> None:
    backups = []
    for version in range(10, 14):
        await world.commit(put("a", version))
        backups.append((await world.back_up())["backup"])
    gone = await world.desk.prune(world.record.name, BackupRetention(keep=2))
    assert [summary.id for summary in gone] == [backups[1], backups[0]]
    assert [summary.id for summary in await world.desk.list(None)] == [backups[3], backups[2]]
    for backup in backups[2:]:
        assert (await world.desk.verify(backup)).passed
    assert await world.desk.prune(None, None) == ()
    with pytest.raises(NotFoundError, match=f"no backup '{backups[0]}'"):
        await world.desk.verify(backups[0])
    (catalogue,) = await world.backups.store.catalogues()
    needed = {catalogue.layout.file_key(file.stored_name) for backup in catalogue.backups for file in backup.files}
    assert {entry.key for entry in await world.backups.store.files.all(catalogue.layout)} == needed


async def test_a_backup_prunes_as_configured_unless_asked_not_to(world: BackupWorld) -> None:
    keeping_one = replace(world, retention=BackupRetention(keep=1))
    first = (await keeping_one.back_up())["backup"]
    assert (await keeping_one.back_up(prune=False))["pruned"] == []
    last = await keeping_one.back_up()
    assert len(last["pruned"]) == 2
    assert first in last["pruned"]
    assert [summary.id for summary in await world.desk.list(None)] == [last["backup"]]


async def test_files_of_an_interrupted_backup_stay_until_they_are_old(world: BackupWorld) -> None:
    await world.back_up()
    (catalogue,) = await world.backups.store.catalogues()
    await world.backups.store.remove(catalogue.backups[0])
    patient = replace(world, orphan_age=timedelta(hours=1))
    await patient.desk.prune(world.record.name, None)
    left = await world.backups.store.files.all(catalogue.layout)
    assert left
    assert (await patient.back_up())["added_bytes"] == sum(entry.bytes for entry in left)
    assert await world.backups.store.files.all(catalogue.layout) == left


async def test_nothing_is_removed_beside_a_running_backup(world: BackupWorld) -> None:
    await world.back_up()
    (catalogue,) = await world.backups.store.catalogues()
    await world.backups.store.remove(catalogue.backups[0])
    async with world.backups.locks.hold(world.record.name, wait_seconds=0):
        assert await world.desk.prune(world.record.name, None) == ()
        assert await world.backups.store.files.all(catalogue.layout)
        with pytest.raises(ConflictError, match="are being changed by somebody else now"):
            async with world.backups.locks.hold(world.record.name, wait_seconds=0):
                pass
    await world.desk.prune(world.record.name, None)
    assert await world.backups.store.files.all(catalogue.layout) == []


async def test_whoever_loses_the_lock_is_told(bus: Bus, unique_name: Callable[..., str]) -> None:
    name = unique_name("photos")
    async with BackupLocks(bus).hold(name, wait_seconds=0) as require_lock:
        require_lock()
        await (await bus.bucket(LEASES)).delete(lock_name(name))
        # Noticed when it is renewed.
        with pytest.raises(UnavailableError, match="was lost"):
            await wait_until(require_lock, 2 * RENEW_SECONDS)


async def test_backups_outlive_their_collection(world: BackupWorld, tmp_path: Path) -> None:
    backup = (await world.back_up())["backup"]
    await world.blobs.delete_folder(world.record.index_prefix)
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    record = await world.desk.prepare_restore(backup, None)
    assert record.name == world.record.name
    again = replace(world, record=record)
    await again.reopen()
    await again.restore(backup)
    assert await again.versions() == BEFORE


async def test_an_empty_index_can_be_backed_up(bus: Bus, tmp_path: Path, unique_name: Callable[..., str]) -> None:
    world = BackupWorld(
        bus,
        photos(unique_name("photos")),
        open_blob_store(str(tmp_path / "blobs")),
        open_blob_store(str(tmp_path / "backups")),
        tmp_path,
    )
    await world.reopen()
    backup = (await world.back_up())["backup"]
    assert (await world.desk.verify(backup)).passed
    await world.commit(put("a", 1))
    await world.restore(backup)
    assert await world.versions() == {}


async def test_only_what_is_asked_for_becomes_live(world: BackupWorld) -> None:
    backup = (await world.back_up())["backup"]
    await world.commit(put("z", 9))
    await world.restore(backup, activate=False)
    assert await world.versions() == {**BEFORE, "z": 9}
    (staged,) = await world.writer.generations()
    assert (staged.state, staged.items, staged.source_items) == (GenerationState.STAGED, 3, 3)


async def test_the_metrics_tell_of_the_newest_backup(world: BackupWorld) -> None:
    started = datetime.now(UTC).timestamp()
    result = await world.back_up()
    labels = {"collection": world.record.name}
    assert (REGISTRY.get_sample_value("sightwire_indexer_last_backup_timestamp_seconds", labels) or 0) >= started
    assert REGISTRY.get_sample_value("sightwire_indexer_backup_bytes", labels) == result["stored_bytes"]
