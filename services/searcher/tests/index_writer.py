"""Commits manifests as the indexer does, with the segments library and without its process."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pyroaring import BitMap

from services.searcher.tests.building import EPOCH
from sightwire.blobs import BlobStore
from sightwire.bus.connection import Bus
from sightwire.bus.headers import event_headers
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IndexReady
from sightwire.contracts.names import FIRST_GENERATION
from sightwire.segments.batch import IndexedItem, segment_content
from sightwire.segments.deletes import load_deletes, store_deletes
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Checkpoint, Manifest, SegmentEntry
from sightwire.segments.manifest_store import ManifestStore
from sightwire.segments.schema import SegmentSchema
from sightwire.segments.vector_indexes.policy import IndexPolicy
from sightwire.segments.writer import SegmentIdentity, write_segment


class IndexWriter:
    """Writes the live generation of one collection; later items supersede earlier ones of the same id."""

    def __init__(self, blobs: BlobStore, record: CollectionRecord, work: Path, bus: Bus | None = None) -> None:
        self._blobs = blobs
        self._record = record
        self._layout = IndexLayout.of(record)
        self._depot = SegmentDepot(blobs, self._layout, work)
        self._store = ManifestStore(blobs, self._layout)
        self._bus = bus
        self._rows: dict[str, tuple[str, int]] = {}
        self.manifest: Manifest | None = None

    async def commit(
        self,
        items: Sequence[IndexedItem] = (),
        *,
        deleted: Sequence[str] = (),
        graph_min_rows: int | None = None,
        replace_all: bool = False,
        traceparents: tuple[str, ...] = (),
    ) -> Manifest:
        """Commits the next version and announces it on the bus, if there is one.

        Args:
            replace_all: drop all segments before, as a merge does.
        """
        entries = {} if replace_all or self.manifest is None else {e.id: e for e in self.manifest.segments}
        if replace_all:
            self._rows.clear()
        gone: dict[str, list[int]] = {}
        for item_id in [*deleted, *(item.id for item in items)]:
            if item_id in self._rows:
                segment_id, row = self._rows.pop(item_id)
                gone.setdefault(segment_id, []).append(row)
        for segment_id, rows in gone.items():
            entry = entries[segment_id]
            bitmap = await load_deletes(self._blobs, entry.deletes) | BitMap(rows)
            reference = await store_deletes(self._blobs, self._layout, segment_id, bitmap)
            entries[segment_id] = entry.model_copy(update={"deletes": reference})
        if items:
            entry = await self._write(items, graph_min_rows)
            entries[entry.id] = entry
        version = self.manifest.version + 1 if self.manifest is not None else 1
        self.manifest = Manifest(
            version=version,
            collection=self._record.name,
            collection_uid=self._record.uid,
            generation=FIRST_GENERATION,
            space=self._record.space,
            created_at=datetime.now(UTC),
            checkpoint=Checkpoint(sequence=version, stream_created_at=EPOCH),
            segments=tuple(entries.values()),
        )
        await self._store.commit(self.manifest)
        if self._bus is not None:
            await self.announce(traceparents)
        return self.manifest

    async def announce(self, traceparents: tuple[str, ...] = ()) -> None:
        """Publishes `index.ready` of the newest version."""
        assert self.manifest is not None
        assert self._bus is not None
        event = IndexReady(
            collection=self._record.name,
            collection_uid=self._record.uid,
            generation=FIRST_GENERATION,
            space=self._record.space,
            manifest_version=self.manifest.version,
            items=self.manifest.items,
            segments=len(self.manifest.segments),
            checkpoint=self.manifest.checkpoint.sequence,
            committed_at=datetime.now(UTC),
            traceparents=traceparents,
        )
        message_id = hashlib.sha256(f"{self._record.uid}{self.manifest.version}".encode()).hexdigest()
        await self._bus.publish(
            subjects.index_ready(self._record.name),
            event.model_dump_json().encode(),
            event_headers(
                event_type="sightwire.index.ready", source="test", subject=self._record.name, message_id=message_id
            ),
        )

    async def _write(self, items: Sequence[IndexedItem], graph_min_rows: int | None) -> SegmentEntry:
        record = self._record
        segment_id = new_segment_id()
        content = segment_content(items, (), SegmentSchema.from_record(record))
        write_segment(
            self._depot.folder(segment_id),
            SegmentIdentity(segment_id, record.name, record.uid, FIRST_GENERATION),
            content,
            indexes=IndexPolicy.of(record, min_rows=graph_min_rows) if graph_min_rows is not None else None,
        )
        for row, item_id in enumerate(content.items["id"].to_pylist()):
            self._rows[item_id] = (segment_id, row)
        return await self._depot.publish(segment_id)
