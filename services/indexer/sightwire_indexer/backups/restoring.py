"""Carries out `restore`: brings a backup back as a new generation."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from sightwire.blobs.store import BlobStore
from sightwire.bus.connection import Bus
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import Progress, Restore
from sightwire.contracts.validation import GateThresholds
from sightwire.segments.description import DESCRIPTION_FILE, SegmentDescription
from sightwire.segments.generations import GenerationRecord, GenerationState
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import SegmentEntry
from sightwire_indexer.backups.fitting import require_fit, require_space
from sightwire_indexer.backups.manifest import BackedUpSegment, BackupManifest
from sightwire_indexer.backups.reading_back import fetch_description, fetch_file
from sightwire_indexer.backups.restored_segments import RestoredSegment, new_entries, restored_segment
from sightwire_indexer.backups.segment_files import is_whole
from sightwire_indexer.backups.shared import Backups
from sightwire_indexer.backups.version_floor import raise_versions_above
from sightwire_indexer.operations.operation import Operation
from sightwire_indexer.switching import DEFAULT_FOLLOW_SECONDS

logger = logging.getLogger(__name__)

_Described = Sequence[tuple[BackedUpSegment, SegmentDescription]]


class Activator(Protocol):
    """Puts a staged generation through the gates and makes it live: `operations.activation.Activation`."""

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
        """The operation's result."""


class Restoring:
    """Restorations into one collection.

    Args:
        writing: held while the index's records are written; commits and switches take it, too.
    """

    def __init__(
        self,
        record: CollectionRecord,
        writer: IndexWriter,
        blobs: BlobStore,
        backups: Backups,
        bus: Bus,
        activation: Activator,
        *,
        writing: asyncio.Lock,
    ) -> None:
        self._record = record
        self._writer = writer
        self._blobs = blobs
        self._store = backups.store
        self._bus = bus
        self._activation = activation
        self._writing = writing
        self._layout = IndexLayout.of(record)

    async def carry_out(self, operation: Operation) -> dict[str, Any]:
        """Restores a backup; its result is that of the activation, with `backup`.

        An attempt after a crash goes on with the generation that was begun.

        Raises:
            NotFoundError: there is no such backup.
            InvalidInputError: it does not fit the collection.
            CorruptDataError: a file of it is damaged or gone.
            ConfigurationError: it is encrypted, and no configured identity opens it.
            ConflictError: its items are newer than the stream of new ones, which cannot be moved on now.
            UnavailableError: the index's or the backups' store, or the bus, fails.
        """
        command = operation.record.command
        assert isinstance(command, Restore), f"asked to restore by a command to {command.kind}"
        backup = await self._store.find(command.backup)
        name = await self._staged_before(operation)
        if name is None:
            require_fit(backup, self._record.as_users_know_it.spec)
            require_space(backup, self._record.users_name, self._writer.manifest.space)
            name = await self._stage(operation, backup)
        result = await self._activation.run(
            operation,
            name,
            activate=command.activate,
            gates=command.gates,
            # What came since the backup would otherwise come back at once.
            carry_over=False,
            follow_seconds=DEFAULT_FOLLOW_SECONDS,
        )
        return {**result, "backup": backup.id}

    async def _staged_before(self, operation: Operation) -> str | None:
        """The generation of an earlier attempt, if it is complete."""
        name: str | None = operation.record.memory.get("generation")
        if name is None or name == self._writer.manifest.generation:
            return name
        record = await self._writer.generation(name)
        return name if record is not None and record.state is not GenerationState.BUILDING else None

    async def _stage(self, operation: Operation, backup: BackupManifest) -> str:
        async with self._store.workspace() as workspace:
            described = [
                (segment, await fetch_description(self._store, backup, segment, workspace))
                for segment in backup.segments
            ]
            generation = await self._building(operation, backup, described)
            segments = [
                restored_segment(source, description, entry, self._record, generation.name)
                for (source, description), entry in zip(described, generation.segments, strict=True)
            ]
            await self._write(operation, backup, segments, workspace)
        # Before anybody can make it live.
        await raise_versions_above(self._bus, backup.max_version)
        async with self._writing:
            await self._writer.stage(generation.model_copy(update={"state": GenerationState.STAGED}))
        logger.info(
            "restored a backup",
            extra={"collection": self._record.name, "backup": backup.id, "generation": generation.name},
        )
        return generation.name

    async def _building(self, operation: Operation, backup: BackupManifest, described: _Described) -> GenerationRecord:
        """The record that keeps garbage collection away from what is being written."""
        begun = operation.record.memory.get("generation")
        if begun is not None and (record := await self._writer.generation(begun)) is not None:
            return record
        await operation.report(Progress(stage="comparing"))
        whole = await self._whole_segments(backup)
        async with self._writing:
            # What no generation needs any more may be on its way out.
            present = whole.intersection(await self._known_entries())
            name = await self._writer.next_generation_name()
            record = GenerationRecord(
                name=name,
                state=GenerationState.BUILDING,
                space=backup.space,
                index=backup.index,
                created_at=datetime.now(UTC),
                segments=new_entries(described, self._record, name, present=present),
                base_version=self._writer.manifest.version,
                source_items=backup.items,
                reason=f"restored from backup {backup.id} of {backup.record.name!r}",
            )
            await operation.remember({"generation": name})
            await self._writer.stage(record)
        return record

    async def _whole_segments(self, backup: BackupManifest) -> set[str]:
        """Ids of segments of the backup that the index still has, undamaged."""
        if backup.record.uid != self._record.uid:
            return set()
        known = await self._known_entries()
        return {
            segment.entry.id
            for segment in backup.segments
            if (entry := known.get(segment.entry.id)) is not None
            and entry.description_sha256 == segment.entry.description_sha256
            and await is_whole(self._blobs, self._layout, entry)
        }

    async def _known_entries(self) -> dict[str, SegmentEntry]:
        """Segments of the live and of all other generations, by id."""
        records = await self._writer.generations()
        entries = [entry for record in records for entry in record.segments]
        return {entry.id: entry for entry in (*entries, *self._writer.manifest.segments)}

    async def _write(
        self, operation: Operation, backup: BackupManifest, segments: Sequence[RestoredSegment], workspace: Path
    ) -> None:
        total = sum(file.bytes for segment in segments for file in segment.source.all_files)
        progress = Progress(stage="restoring", total=total, unit="bytes")
        for segment in segments:
            await operation.report(progress)
            if segment.description is not None:
                await self._write_segment(backup, segment, segment.description, workspace)
            await self._write_deletes(backup, segment, workspace)
            size = sum(file.bytes for file in segment.source.all_files)
            progress = progress.model_copy(update={"done": progress.done + size})

    async def _write_segment(
        self, backup: BackupManifest, segment: RestoredSegment, description: bytes, workspace: Path
    ) -> None:
        prefix = self._layout.segment_prefix(segment.entry.id)
        if await self._blobs.size(f"{prefix}/{DESCRIPTION_FILE}") is not None:
            return
        for file in segment.source.files[1:]:
            path = await fetch_file(self._store, backup, segment.source, file, workspace)
            await self._blobs.put(f"{prefix}/{file.name}", path)
            await asyncio.to_thread(path.unlink)
        # Last: where the description is, the segment is whole.
        await self._blobs.put(f"{prefix}/{DESCRIPTION_FILE}", description)

    async def _write_deletes(self, backup: BackupManifest, segment: RestoredSegment, workspace: Path) -> None:
        file, reference = segment.source.deletes, segment.entry.deletes
        if file is None or reference is None:
            return
        path = await fetch_file(self._store, backup, segment.source, file, workspace)
        await self._blobs.put(reference.key, path)
