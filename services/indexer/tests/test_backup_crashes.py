"""A process that dies while it backs up or restores: nothing half is there, and the next attempt finishes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.indexer.tests.backup_world import BackupWorld, RememberedOperation, delete, photos, put
from sightwire.bus.connection import Bus
from sightwire.contracts.backups import BackupRetention
from sightwire.contracts.operations import Backup, Restore
from tests.plugin.crashing_blobs import CrashingBlobStore, SimulatedCrashError

#: More changes of a store than any of these operations makes.
ALL_CHANGES = 200
BEFORE = {"a": 1, "c": 3}


class CrashingWorld:
    """A world whose stores can end the process, and an operation that outlives it."""

    def __init__(self, bus: Bus, name: str, folder: Path) -> None:
        self.blobs = CrashingBlobStore(folder / "blobs")
        self.backup_blobs = CrashingBlobStore(folder / "backups")
        self.world = BackupWorld(
            bus, photos(name), self.blobs, self.backup_blobs, folder, retention=BackupRetention(keep=1)
        )

    async def prepare(self) -> str:
        """An index of two segments with deletions; returns its backup."""
        await self.world.reopen()
        await self.world.commit(put("a", 1), put("b", 2), put("c", 3))
        await self.world.commit(delete("b", 4))
        return str((await self.world.back_up())["backup"])

    async def crashes(self, operation: RememberedOperation) -> bool:
        """Whether the process died during the operation."""
        try:
            await self.world.carry_out(operation)
        except SimulatedCrashError:
            return True
        assert self.blobs.disarm() or self.backup_blobs.disarm()
        return False


@pytest.mark.parametrize("lose_answer", [False, True])
@pytest.mark.parametrize("store", ["blobs", "backup_blobs"])
async def test_a_backup_goes_on_after_a_crash(
    bus: Bus, tmp_path: Path, unique_name: Callable[..., str], store: str, lose_answer: bool
) -> None:
    for change in range(ALL_CHANGES):
        crashing = CrashingWorld(bus, unique_name("photos"), tmp_path / str(change))
        world = crashing.world
        first = await crashing.prepare()
        await world.commit(put("d", 5), delete("a", 6))
        before = await world.versions()
        operation = world.operation(Backup())
        getattr(crashing, store).crash_after(change, lose_answer=lose_answer)
        if not await crashing.crashes(operation):
            break
        for summary in await world.desk.list(None):
            assert (await world.desk.verify(summary.id)).passed
        await world.reopen()
        # The snapshot is of the moment in which the backup was asked for.
        await world.commit(put("e", 7))
        result = await world.carry_out(operation)
        assert [summary.id for summary in await world.desk.list(None)] == [result["backup"]] != [first]
        assert (await world.desk.verify(result["backup"])).passed
        assert await world.writer.generations() == []
        await world.restore(result["backup"])
        assert await world.versions() in (before, {**before, "e": 7})
    else:
        pytest.fail(f"the operation did not come to its end within {ALL_CHANGES} changes of the store")
    assert change >= 2


@pytest.mark.parametrize("lose_answer", [False, True])
async def test_a_restoration_goes_on_after_a_crash(
    bus: Bus, tmp_path: Path, unique_name: Callable[..., str], lose_answer: bool
) -> None:
    for change in range(ALL_CHANGES):
        crashing = CrashingWorld(bus, unique_name("photos"), tmp_path / str(change))
        world = crashing.world
        backup = await crashing.prepare()
        await world.merge()
        await world.commit(put("d", 5), delete("a", 6))
        after = await world.versions()
        operation = world.operation(Restore(backup=backup))
        crashing.blobs.crash_after(change, lose_answer=lose_answer)
        if not await crashing.crashes(operation):
            break
        assert await world.versions() in (after, BEFORE)
        await world.reopen()
        await world.carry_out(operation)
        assert await world.versions() == BEFORE
        await world.commit(put("b", 7))
        assert await world.versions() == {**BEFORE, "b": 7}
    else:
        pytest.fail(f"the operation did not come to its end within {ALL_CHANGES} changes of the store")
    assert change >= 5
