"""Whatever happens to an index and its backups, each restoration equals what a dictionary remembers of the moment."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from services.indexer.tests.backup_world import BackupWorld, delete, photos, put
from sightwire.blobs import BlobStore
from sightwire.bus.connection import Bus
from sightwire.contracts.backups import BackupRetention
from sightwire.segments.garbage import collect_garbage
from sightwire.segments.layout import IndexLayout

#: Each step is its name and a number of which it makes what it needs.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["put", "put", "delete", "merge", "collect", "backup", "backup", "prune", "restore", "restore"]
        ),
        st.integers(0, 2**16),
    ),
    min_size=4,
    max_size=16,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=STEPS)
async def test_restorations_equal_what_was_remembered(bus: Bus, steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = BackupModel(bus, Path(folder))
        await model.world.reopen()
        for step, number in [*steps, ("backup", 0), ("put", 1), ("restore", 0)]:
            await getattr(model, step)(number)
            assert await model.world.versions() == model.items, f"after {step}"
        await model.check_backups()


class BackupModel:
    """The index and its backups, and what they should be."""

    def __init__(self, bus: Bus, folder: Path) -> None:
        index_store, backup_store = BlobStore(MemoryStore(), root=None), BlobStore(MemoryStore(), root=None)
        record = photos(f"photos-{uuid4().hex[:12]}")
        self.world = BackupWorld(bus, record, index_store, backup_store, folder)
        self.items: dict[str, int] = {}
        #: What was in the index, by backup, oldest first.
        self.backups: dict[str, dict[str, int]] = {}
        self._version = 0

    async def put(self, number: int) -> None:
        changes = []
        for item_id in {chr(ord("a") + (number >> shift) % 8) for shift in range(number % 4 + 1)}:
            self._version += 1
            self.items[item_id] = self._version
            changes.append(put(item_id, self._version))
        await self.world.commit(*changes)

    async def delete(self, number: int) -> None:
        self._version += 1
        item_id = chr(ord("a") + number % 8)
        self.items.pop(item_id, None)
        await self.world.commit(delete(item_id, self._version))

    async def merge(self, _number: int) -> None:
        await self.world.merge()

    async def collect(self, _number: int) -> None:
        layout = IndexLayout.of(self.world.record)
        await collect_garbage(self.world.blobs, layout, keep_manifests=1, min_age=timedelta(0))
        await self.world.writer.forget_old(keep=1)

    async def backup(self, _number: int) -> None:
        result = await self.world.back_up()
        self.backups[result["backup"]] = dict(self.items)

    async def prune(self, number: int) -> None:
        gone = await self.world.desk.prune(self.world.record.name, BackupRetention(keep=number % 3 + 1))
        expected = list(self.backups)[: -(number % 3 + 1)]
        assert [summary.id for summary in reversed(gone)] == expected
        for backup in expected:
            del self.backups[backup]

    async def restore(self, number: int) -> None:
        if not self.backups:
            return
        backup = list(self.backups)[number % len(self.backups)]
        await self.world.restore(backup)
        self.items = dict(self.backups[backup])

    async def check_backups(self) -> None:
        summaries = await self.world.desk.list(self.world.record.name)
        assert [summary.id for summary in reversed(summaries)] == list(self.backups)
        for summary in summaries:
            assert summary.items == len(self.backups[summary.id])
            assert (await self.world.desk.verify(summary.id)).passed
        assert await asyncio.to_thread(lambda: list((self.world.folder / "spool").iterdir())) == []
