"""Carries out `backup`: copies the live generation into the backup store."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sightwire.blobs.store import BlobEntry, BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import Backup, Progress
from sightwire.errors import CorruptDataError, UnavailableError
from sightwire.segments.generations import GenerationRecord, GenerationState
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.layout import IndexLayout
from sightwire_indexer import metrics
from sightwire_indexer.backups.layout import BackupLayout
from sightwire_indexer.backups.manifest import BackedUpFile, BackedUpSegment, BackupManifest
from sightwire_indexer.backups.segment_files import SourceFile, SourceSegment, find_segment, on_this_machine
from sightwire_indexer.backups.shared import Backups
from sightwire_indexer.backups.sweeping import prune_backups, sweep_files
from sightwire_indexer.operations.operation import Operation

logger = logging.getLogger(__name__)

#: Somebody may be removing files of backups; a process that died holds the lock for some seconds more.
_LOCK_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What is to be backed up: the live generation as it was when its pin was staged, and as which backup."""

    backup: str
    generation: str
    #: A record that keeps garbage collection away from the segments until the backup is whole.
    pin: GenerationRecord


class BackupTaking:
    """Backups of one collection; those of a shadow are its collection's.

    Args:
        writing: held while the index's records are written; commits and switches take it, too.
    """

    def __init__(
        self,
        record: CollectionRecord,
        writer: IndexWriter,
        blobs: BlobStore,
        backups: Backups,
        *,
        writing: asyncio.Lock,
    ) -> None:
        self._record = record
        self._writer = writer
        self._blobs = blobs
        self._backups = backups
        self._store = backups.store
        self._writing = writing
        self._backed_up = record.as_users_know_it
        self._layout = BackupLayout(self._backed_up.name, record.uid)

    async def observe(self) -> None:
        """Sets the metrics by what the backup store holds, as after a start; without it they stay unset."""
        name = self._backed_up.name
        try:
            catalogues = await self._store.catalogues(name)
        except UnavailableError as error:
            logger.warning(
                "how old the newest backup is, is not known", extra={"collection": name, "error": error.detail}
            )
            return
        backups = [backup for found in catalogues for backup in found.backups]
        if backups:
            _observe(max(backups, key=lambda backup: backup.created_at))

    async def carry_out(self, operation: Operation) -> dict[str, Any]:
        """Makes a backup; its result has `backup`, `bytes`, `stored_bytes`, `added_bytes` and `pruned`.

        An attempt after a crash goes on with the same snapshot, and stores only what is not stored yet.

        Raises:
            ConflictError: somebody else writes or removes backups of the collection.
            CorruptDataError: a file of the index is damaged.
            UnavailableError: the index's or the backups' store fails.
        """
        try:
            async with self._backups.locks.hold(self._backed_up.name, wait_seconds=_LOCK_SECONDS) as require_lock:
                backup = await self._take(operation, require_lock)
                pruned = await self._prune(operation, require_lock)
        except Exception:
            metrics.BACKUP_FAILURES.labels(self._backed_up.name).inc()
            raise
        _observe(backup)
        summary = backup.summary
        return {
            "backup": backup.id,
            "bytes": summary.bytes,
            "stored_bytes": summary.stored_bytes,
            "added_bytes": summary.added_bytes,
            "pruned": pruned,
        }

    async def _take(self, operation: Operation, require_lock: Callable[[], None]) -> BackupManifest:
        snapshot = await self._snapshot(operation)
        earlier = (await self._store.catalogue(self._layout)).backups
        finished = next((backup for backup in earlier if backup.id == snapshot.backup), None)
        if finished is None:
            segments, max_version = await self._copy(operation, snapshot)
            await self._require_stored(segments)
            finished = BackupManifest(
                id=snapshot.backup,
                created_at=snapshot.pin.created_at,
                record=self._backed_up,
                generation=snapshot.generation,
                manifest_version=snapshot.pin.base_version,
                space=snapshot.pin.space,
                index=snapshot.pin.index,
                max_version=max_version,
                added_bytes=_added_bytes(segments, earlier),
                segments=segments,
            )
            require_lock()
            await self._store.create(finished)
            logger.info("made a backup", extra={"collection": self._record.name, "backup": finished.id})
        async with self._writing:
            await self._writer.forget(snapshot.pin.name)
        return finished

    async def _snapshot(self, operation: Operation) -> _Snapshot:
        memory = operation.record.memory
        async with self._writing:
            pins = {record.name: record for record in await self._writer.generations()}
            if (pin := pins.get(memory.get("pin", ""))) is not None:
                return _Snapshot(memory["backup"], memory["generation"], pin)
            live = self._writer.manifest
            created_at = datetime.now(UTC)
            # An attempt that finished the backup, and died before anybody knew, has an id but no pin any more.
            backup = memory.get("backup") or f"{created_at:%Y%m%dt%H%M%S}-{uuid4().hex[:8]}"
            pin = GenerationRecord(
                name=await self._writer.next_generation_name(),
                state=GenerationState.BUILDING,
                space=live.space,
                index=live.index,
                created_at=created_at,
                segments=live.segments,
                base_version=live.version,
                reason=f"kept as it is while backup {backup} is made",
            )
            await operation.remember({"backup": backup, "generation": live.generation, "pin": pin.name})
            await self._writer.stage(pin)
        return _Snapshot(backup, live.generation, pin)

    async def _copy(self, operation: Operation, snapshot: _Snapshot) -> tuple[tuple[BackedUpSegment, ...], int]:
        """Stores what is not stored yet; returns the segments as they are backed up, and the highest version."""
        layout = IndexLayout.of(self._record)
        sources = [await find_segment(self._blobs, layout, entry) for entry in snapshot.pin.segments]
        usable = await self._store.files.usable(self._layout)
        total = sum(source.file.bytes for segment in sources for source in segment.all_files)
        progress = Progress(stage="copying", total=total, unit="bytes")
        segments: list[BackedUpSegment] = []
        async with self._store.workspace() as workspace:
            for segment in sources:
                files: dict[str, BackedUpFile] = {}
                for source in segment.all_files:
                    await operation.report(progress)
                    files[source.file.name] = await self._store_file(segment, source, usable, workspace)
                    progress = progress.model_copy(update={"done": progress.done + source.file.bytes})
                segments.append(_backed_up(segment, files))
        max_version = max((segment.description.max_version or 0 for segment in sources), default=0)
        return tuple(segments), max_version

    async def _store_file(
        self, segment: SourceSegment, source: SourceFile, usable: dict[str, BlobEntry], workspace: Path
    ) -> BackedUpFile:
        if (stored := usable.get(source.file.sha256)) is not None:
            return self._store.files.reused(source.file, stored)
        path = await on_this_machine(self._blobs, source, workspace)
        try:
            return await self._store.files.add(self._layout, source.file, path, workspace)
        except CorruptDataError as error:
            raise CorruptDataError(
                f"segment {segment.entry.id} of {self._backed_up.name!r} cannot be backed up: {error.detail}; make a "
                "generation live that is whole, or restore a backup"
            ) from None

    async def _require_stored(self, segments: Sequence[BackedUpSegment]) -> None:
        """Nothing of what was taken for stored may have been removed from outside meanwhile."""
        stored = {entry.key for entry in await self._store.files.all(self._layout)}
        needed = {self._layout.file_key(file.stored_name) for segment in segments for file in segment.all_files}
        if missing := needed - stored:
            raise UnavailableError(
                f"{len(missing)} stored files went while the backup was made, such as {min(missing)}"
            )

    async def _prune(self, operation: Operation, require_lock: Callable[[], None]) -> list[str]:
        command = operation.record.command
        assert isinstance(command, Backup), f"asked to back up by a command to {command.kind}"
        if not command.prune:
            return []
        await operation.report(Progress(stage="pruning"))
        options = self._backups.options
        gone = await prune_backups(self._store, self._backed_up.name, options.retention)
        await sweep_files(self._store, self._backed_up.name, min_age=options.orphan_age, require_lock=require_lock)
        return [backup.id for backup in gone]


def _backed_up(segment: SourceSegment, files: dict[str, BackedUpFile]) -> BackedUpSegment:
    return BackedUpSegment(
        entry=segment.entry,
        files=tuple(files[source.file.name] for source in segment.files),
        deletes=files[segment.deletes.file.name] if segment.deletes is not None else None,
    )


def _added_bytes(segments: Sequence[BackedUpSegment], earlier: Sequence[BackupManifest]) -> int:
    known = {file.stored_name for backup in earlier for file in backup.files}
    files = {file.stored_name: file.stored_bytes for segment in segments for file in segment.all_files}
    return sum(stored_bytes for name, stored_bytes in files.items() if name not in known)


def _observe(backup: BackupManifest) -> None:
    summary = backup.summary
    metrics.LAST_BACKUP.labels(backup.record.name).set(backup.created_at.timestamp())
    metrics.BACKUP_BYTES.labels(backup.record.name).set(summary.stored_bytes)
