"""Backups whose index and whose store are on a real S3 server; what else they do, `test_backups.py` has on a folder."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from services.indexer.tests.backup_world import BackupWorld, delete, photos, put
from sightwire.bus.connection import Bus
from sightwire.contracts.backups import BackupRetention
from sightwire.contracts.operations import Backup
from sightwire.errors import ConflictError, UnavailableError
from tests.plugin.s3_server import S3Stores

BEFORE = {"a": 1, "c": 3}


@pytest_asyncio.fixture(loop_scope="session")
async def world(s3: S3Stores, bus: Bus, tmp_path: Path, unique_name: Callable[..., str]) -> AsyncIterator[BackupWorld]:
    """Two segments, one of them with a deleted row."""
    world = BackupWorld(bus, photos(unique_name("photos")), s3.open_new(), s3.open_new(), tmp_path)
    await world.reopen()
    await world.commit(put("a", 1, text="a beach"), put("b", 2), put("c", 3))
    await world.commit(delete("b", 4))
    yield world


async def test_a_backup_comes_back_as_it_was_and_shares_files_with_the_next(world: BackupWorld) -> None:
    first = await world.back_up()
    await world.commit(put("a", 6), delete("c", 7), put("e", 8))
    second = await world.back_up()
    assert 0 < second["added_bytes"] < second["stored_bytes"]
    assert (await world.desk.verify(first["backup"])).passed

    # Nothing of the index is left, and the machine is another one.
    await world.blobs.delete_folder(world.record.index_prefix)
    elsewhere = BackupWorld(
        world.bus, world.record, world.blobs, world.backup_blobs, world.folder / "elsewhere", world.cipher
    )
    await elsewhere.reopen()
    await elsewhere.restore(first["backup"])
    assert await elsewhere.versions() == BEFORE


async def test_pruned_backups_take_their_files_along(world: BackupWorld) -> None:
    await world.back_up()
    await world.commit(put("a", 5), put("c", 6))
    await world.merge()
    world.retention = BackupRetention(keep=1)
    kept = (await world.back_up())["backup"]
    (summary,) = await world.desk.list(world.record.name)
    assert summary.id == kept
    assert (await world.desk.verify(kept)).passed
    (catalogue,) = await world.backups.store.catalogues(world.record.name)
    (backup,) = catalogue.backups
    files = {backup.layout.file_key(file.stored_name) for file in backup.files}
    assert set(await world.stored_keys()) == {backup.layout.manifest_key(kept), *files}


async def test_a_backup_goes_on_when_its_store_is_back(s3: S3Stores, world: BackupWorld) -> None:
    operation = world.operation(Backup(prune=False))
    await s3.server.kill()
    with pytest.raises(UnavailableError, match="the blob store failed"):
        await world.carry_out(operation)
    await s3.server.start()
    result = await world.carry_out(operation)
    assert (await world.desk.verify(result["backup"])).passed


async def test_a_description_that_was_stored_though_the_answer_got_lost_counts(world: BackupWorld) -> None:
    backup = await world.backups.store.find((await world.back_up())["backup"])
    await world.backups.store.create(backup)
    with pytest.raises(ConflictError):
        await world.backups.store.create(backup.model_copy(update={"added_bytes": backup.added_bytes + 1}))
