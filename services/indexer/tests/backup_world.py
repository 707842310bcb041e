"""An index and its backups, without an indexer around them: what a backup and a restoration do, step by step."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sightwire_indexer.backups.desk import BackupDesk
from sightwire_indexer.backups.encoding import Cipher
from sightwire_indexer.backups.locking import BackupLocks
from sightwire_indexer.backups.options import BackupOptions
from sightwire_indexer.backups.restoring import Restoring
from sightwire_indexer.backups.shared import Backups
from sightwire_indexer.backups.store import BackupStore
from sightwire_indexer.backups.taking import BackupTaking
from sightwire_indexer.operations.operation import Operation

from sightwire.blobs.store import BlobStore
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.contracts.backups import BackupRetention
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import Backup, Command, OperationRecord, Progress, Restore
from sightwire.contracts.validation import GateThresholds
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.manifest import Checkpoint
from sightwire.segments.merge_policy import MergePolicy
from sightwire.segments.merge_task import run_merge
from sightwire.segments.resolution import Change
from tests.plugin.index_reading import read_index
from tests.plugin.segments import item

STREAM_CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def photos(name: str, uid: str = "0", **spec: Any) -> CollectionRecord:
    return CollectionRecord.model_validate(
        {
            "spec": {"name": name, "fields": {"image": {"source": "image", "dimension": 8}}, **spec},
            "uid": uid,
            "created_at": STREAM_CREATED_AT,
            "space": "first-space",
        }
    )


def put(item_id: str, version: int, **members: Any) -> Change:
    return Change(item_id, version, item(item_id, version, **members))


def delete(item_id: str, version: int) -> Change:
    return Change(item_id, version, None)


@dataclass
class RememberedOperation:
    """An operation whose record survives the process that carries it out."""

    record: OperationRecord
    progress: list[Progress] = field(default_factory=list)

    async def report(self, progress: Progress) -> None:
        self.progress.append(progress)

    async def remember(self, memory: Mapping[str, Any]) -> None:
        self.record = self.record.model_copy(update={"memory": dict(memory)})


@dataclass
class Activating:
    """Makes a generation live as it was stored, without gates and searchers."""

    writer: IndexWriter

    async def run(
        self,
        operation: Operation,
        name: str,
        *,
        activate: bool,
        gates: GateThresholds | None,
        carry_over: bool,
        follow_seconds: float,
    ) -> dict[str, Any]:
        if activate and self.writer.manifest.generation != name:
            await self.writer.switch(name, carry_over=carry_over)
        return {"generation": name}


@dataclass
class BackupWorld:
    """One collection; `reopen` is a new process after a crash."""

    bus: Bus
    record: CollectionRecord
    blobs: BlobStore
    backup_blobs: BlobStore
    folder: Path
    cipher: Cipher = field(default_factory=Cipher)
    retention: BackupRetention = field(default_factory=BackupRetention)
    orphan_age: timedelta = timedelta(0)
    _writer: IndexWriter | None = None
    _sequence: int = 0

    @property
    def writer(self) -> IndexWriter:
        assert self._writer is not None, "call reopen first"
        return self._writer

    async def reopen(self) -> None:
        checkpoint = Checkpoint(sequence=0, stream_created_at=STREAM_CREATED_AT)
        self._writer = await IndexWriter.open(
            self.record, self.blobs, self.folder / "cache", new_index_checkpoint=checkpoint
        )
        self._sequence = self._writer.manifest.checkpoint.sequence

    @property
    def backups(self) -> Backups:
        spool = self.folder / "spool"
        return Backups(
            BackupStore(self.backup_blobs, self.cipher, spool=spool, compression_level=3),
            BackupLocks(self.bus),
            BackupOptions(url="", spool=spool, retention=self.retention, orphan_age=self.orphan_age),
        )

    @property
    def desk(self) -> BackupDesk:
        return BackupDesk(self.backups, CollectionRegistry(self.bus))

    async def commit(self, *changes: Change) -> None:
        self._sequence += 1
        await self.writer.commit(changes, Checkpoint(sequence=self._sequence, stream_created_at=STREAM_CREATED_AT))

    async def merge(self) -> None:
        policy = MergePolicy(segments_per_tier=2, max_rows=64)
        for task in self.writer.merge_planner(graph_min_rows=1000).merges(policy)[:1]:
            await asyncio.to_thread(run_merge, task)
            await self.writer.commit_merge(task)

    def operation(self, command: Command) -> RememberedOperation:
        return RememberedOperation(
            OperationRecord(
                id="1",
                collection=self.record.name,
                collection_uid=self.record.uid,
                command=command,
                requested_by="test",
            )
        )

    async def carry_out(self, operation: RememberedOperation) -> dict[str, Any]:
        if isinstance(operation.record.command, Backup):
            return await BackupTaking(
                self.record, self.writer, self.blobs, self.backups, writing=asyncio.Lock()
            ).carry_out(operation)
        return await Restoring(
            self.record,
            self.writer,
            self.blobs,
            self.backups,
            self.bus,
            Activating(self.writer),
            writing=asyncio.Lock(),
        ).carry_out(operation)

    async def back_up(self, *, prune: bool = True) -> dict[str, Any]:
        return await self.carry_out(self.operation(Backup(prune=prune)))

    async def restore(self, backup: str, *, activate: bool = True) -> dict[str, Any]:
        return await self.carry_out(self.operation(Restore(backup=backup, activate=activate)))

    async def versions(self) -> dict[str, int]:
        """What a searcher that has just started would find, every checksum compared."""
        content = await read_index(self.blobs, self.record, self.folder / "reader")
        assert content is not None
        return content.versions

    async def stored_keys(self) -> Sequence[str]:
        return await self.backup_blobs.keys("v1")
