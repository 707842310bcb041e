"""Reads every file of every segment in the blob store and compares checksums."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from sightwire.blobs.store import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import Progress
from sightwire.errors import CorruptDataError, NotFoundError
from sightwire.segments.deletes import load_deletes
from sightwire.segments.description import DESCRIPTION_FILE, SegmentDescription
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import SegmentEntry
from sightwire_indexer import metrics
from sightwire_indexer.background_thread import BackgroundThread
from sightwire_indexer.operations.operation import Operation

logger = logging.getLogger(__name__)

#: Of the time that reading takes, what the disk rests afterwards.
_PAUSE_SHARE: Final = 0.25
_BYTES_BETWEEN_PAUSES: Final = 16 * 1024 * 1024


class DamagedSegment(BaseModel):
    """A segment with files that are not as they were written."""

    model_config = ConfigDict(frozen=True)

    segment: str
    #: Live items of it that the generation with the most of them would lose.
    items: int
    generations: tuple[str, ...]
    damage: tuple[str, ...]


class ScanResult(BaseModel):
    """Result of a scan, and between two attempts what it has come to."""

    model_config = ConfigDict(frozen=True)

    #: Ids of segments that were read.
    scanned: tuple[str, ...] = ()
    bytes: int = 0
    damaged: tuple[DamagedSegment, ...] = ()


@dataclass
class _Listed:
    """A segment, and what refers to it."""

    generations: list[str] = field(default_factory=list)
    entries: list[SegmentEntry] = field(default_factory=list)

    @property
    def items(self) -> int:
        return max(entry.live_rows for entry in self.entries)


class Scanner:
    """Carries `scan` out for one collection: `Scanner(…).carry_out` is its CarryOut."""

    def __init__(self, record: CollectionRecord, writer: IndexWriter, blobs: BlobStore) -> None:
        self._record = record
        self._writer = writer
        self._blobs = blobs
        self._layout = IndexLayout.of(record)

    async def carry_out(self, operation: Operation) -> dict[str, Any]:
        """Scans the live and all other generations. Damage is part of the result (`ScanResult`), not an error.

        After a crash it goes on with the segments that it had not read. What is merged away meanwhile is left out.
        """
        result = ScanResult.model_validate(operation.record.memory)
        listed = await self._listed()
        total = sum(segment.entries[0].disk_bytes for segment in listed.values())
        with BackgroundThread() as thread:
            for segment_id, segment in listed.items():
                if segment_id in result.scanned:
                    continue
                reading = _Reading(self._blobs, thread, operation, done=result.bytes, total=total)
                damage = await self._damage(segment_id, segment.entries, reading)
                if damage and segment_id not in await self._listed():
                    continue
                found = DamagedSegment(
                    segment=segment_id,
                    items=segment.items,
                    generations=tuple(segment.generations),
                    damage=tuple(damage),
                )
                result = ScanResult(
                    scanned=(*result.scanned, segment_id),
                    bytes=result.bytes + segment.entries[0].disk_bytes,
                    damaged=(*result.damaged, found) if damage else result.damaged,
                )
                if damage:
                    logger.error(
                        "a segment is damaged", extra={"collection": self._record.name, **found.model_dump(mode="json")}
                    )
                await operation.remember(result.model_dump(mode="json"))
        metrics.DAMAGED_SEGMENTS.labels(self._record.name).set(len(result.damaged))
        return result.model_dump(mode="json")

    async def _listed(self) -> dict[str, _Listed]:
        """Segments of all generations by id."""
        manifest = self._writer.manifest
        generations = [(manifest.generation, manifest.segments)]
        generations += [(record.name, record.segments) for record in await self._writer.generations()]
        listed: dict[str, _Listed] = {}
        for name, entries in generations:
            for entry in entries:
                segment = listed.setdefault(entry.id, _Listed())
                segment.generations.append(name)
                segment.entries.append(entry)
        return listed

    async def _damage(self, segment_id: str, entries: Iterable[SegmentEntry], reading: "_Reading") -> list[str]:
        """What is wrong with the files of a segment and its delete bitmaps."""
        prefix = self._layout.segment_prefix(segment_id)
        damage: list[str] = []
        for entry in entries:
            try:
                await load_deletes(self._blobs, entry.deletes)
            except (CorruptDataError, NotFoundError) as error:
                damage.append(error.detail)
        try:
            data = await self._blobs.get(f"{prefix}/{DESCRIPTION_FILE}")
            description = SegmentDescription.model_validate_json(data)
        except NotFoundError:
            return [*damage, f"{DESCRIPTION_FILE} is gone"]
        except ValidationError:
            return [*damage, f"{DESCRIPTION_FILE} does not describe a segment"]
        if any(hashlib.sha256(data).hexdigest() != entry.description_sha256 for entry in entries):
            damage.append(f"{DESCRIPTION_FILE} is another one than the manifest means")
        for file in description.files:
            try:
                size, digest = await reading.checksum(f"{prefix}/{file.name}")
            except NotFoundError:
                damage.append(f"{file.name} is gone")
                continue
            if size != file.bytes:
                damage.append(f"{file.name} has {size} bytes, expected {file.bytes}")
            elif digest != file.sha256:
                damage.append(f"the sha256 of {file.name} is {digest}, expected {file.sha256}")
        return damage


class _Reading:
    """Reads files with pauses, and tells how far it is."""

    def __init__(
        self, blobs: BlobStore, thread: BackgroundThread, operation: Operation, *, done: int, total: int
    ) -> None:
        self._blobs = blobs
        self._thread = thread
        self._operation = operation
        self._done = done
        self._total = total
        self._paused_at = done
        self._began = time.perf_counter()

    async def checksum(self, key: str) -> tuple[int, str]:
        """Bytes of an object, and their sha256.

        Raises:
            NotFoundError: there is none.
        """
        digest = hashlib.sha256()
        size = 0
        async for chunk in self._blobs.stream(key):
            await self._thread.run(digest.update, chunk)
            size += len(chunk)
            self._done += len(chunk)
            if self._done - self._paused_at >= _BYTES_BETWEEN_PAUSES:
                await self._rest()
        await self._report()
        return size, digest.hexdigest()

    async def _report(self) -> None:
        progress = Progress(stage="reading", done=self._done, total=max(self._total, self._done), unit="bytes")
        await self._operation.report(progress)

    async def _rest(self) -> None:
        await self._report()
        await asyncio.sleep(_PAUSE_SHARE * (time.perf_counter() - self._began))
        self._paused_at, self._began = self._done, time.perf_counter()
