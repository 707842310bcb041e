"""Makes a snapshot from a manifest. Only what the snapshot before does not have is opened, checked and warmed."""

import asyncio
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sightwire.blobs.store import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import CorruptDataError, NotFoundError
from sightwire.segments.deletes import deleted_mask, load_deletes
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Manifest, SegmentEntry
from sightwire.segments.manifest_store import ManifestStore
from sightwire.segments.reader import SegmentReader
from sightwire_searcher.snapshot import SegmentView, Snapshot

logger = logging.getLogger(__name__)

#: Segments that are opened at once: enough to keep the disk busy, few enough to leave queries a core.
_OPENED_AT_ONCE: Final = 2


class SnapshotLoader:
    """Loads snapshots from the blob store.

    Args:
        cache: folder of this searcher alone, for segments of a remote store.
        verify: check every byte of a segment before it serves.
    """

    def __init__(self, blobs: BlobStore, cache: Path, *, verify: bool) -> None:
        self._blobs = blobs
        self._cache = cache
        self._verify = verify
        self._opening = asyncio.Semaphore(_OPENED_AT_ONCE)

    async def load(self, record: CollectionRecord, version: int | None, previous: Snapshot | None) -> Snapshot:
        """The snapshot of a manifest version, or of the newest for None, and where that version is gone by now.

        Raises:
            SightwireError: something cannot be read; `transient` tells whether trying again may help.
        """
        layout = IndexLayout.of(record)
        manifest = await self._manifest(layout, version)
        if manifest is None:
            return Snapshot(record, None, ())
        if previous is not None and previous.incarnation != record.uid:
            previous = None
        if previous is not None and previous.version == manifest.version:
            return Snapshot(record, previous.manifest, previous.segments)
        depot = SegmentDepot(self._blobs, layout, self._cache)
        views = {view.reader.id: view for view in previous.segments} if previous is not None else {}
        segments = await asyncio.gather(*(self._view(depot, entry, views.get(entry.id)) for entry in manifest.segments))
        snapshot = Snapshot(record, manifest, tuple(segments))
        await asyncio.to_thread(_compute_lazy_parts, snapshot)
        return snapshot

    async def remove_unused(self, snapshot: Snapshot) -> None:
        """Deletes this machine's copies of segments that are not in `snapshot`; those in use stay mapped regardless."""
        if self._blobs.root is not None:
            return
        layout = IndexLayout.of(snapshot.record)
        used = {view.reader.id for view in snapshot.segments}
        await asyncio.to_thread(_remove_folders_except, self._cache / layout.segments_prefix, used)

    async def remove_all(self, record: CollectionRecord) -> None:
        """Deletes this machine's copies of a collection that is gone."""
        if self._blobs.root is None:
            await asyncio.to_thread(shutil.rmtree, self._cache / record.index_prefix, ignore_errors=True)

    async def _manifest(self, layout: IndexLayout, version: int | None) -> Manifest | None:
        store = ManifestStore(self._blobs, layout)
        if version is not None:
            try:
                return await store.read(version)
            except NotFoundError:
                logger.info("manifest is gone, loading the newest", extra={"manifest_version": version})
        return await store.latest()

    async def _view(self, depot: SegmentDepot, entry: SegmentEntry, known: SegmentView | None) -> SegmentView:
        deletes_key = entry.deletes.key if entry.deletes is not None else None
        if known is not None and known.deletes_key == deletes_key:
            return known
        reader = known.reader if known is not None else await self._open(depot, entry)
        if entry.deletes is None:
            return SegmentView(reader)
        deletes = await load_deletes(self._blobs, entry.deletes)
        return SegmentView(reader, deletes_key, ~deleted_mask(deletes, reader.rows))

    async def _open(self, depot: SegmentDepot, entry: SegmentEntry) -> SegmentReader:
        async with self._opening:
            try:
                reader = await depot.open(entry, verify=self._verify)
            except CorruptDataError:
                if self._blobs.root is not None:
                    raise
                # A copy may have been damaged here; the original decides.
                logger.warning("fetching a damaged segment again", extra={"segment": entry.id})
                await asyncio.to_thread(shutil.rmtree, depot.folder(entry.id), ignore_errors=True)
                reader = await depot.open(entry, verify=self._verify)
            if not self._verify:
                # Checking reads every page anyway.
                await asyncio.to_thread(reader.warm)
            return reader


def _compute_lazy_parts(snapshot: Snapshot) -> None:
    """Computes here what the first query would otherwise compute."""
    for view in snapshot.segments:
        _ = view.live_rows, view.time_bounds, view.reader.id_hashes, view.reader.versions
        _ = view.reader.object_item_rows, view.reader.object_offsets, view.reader.boxes


def _remove_folders_except(folder: Path, kept: Iterable[str]) -> None:
    kept = set(kept)
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.is_dir() and path.name not in kept and not path.name.startswith("."):
            shutil.rmtree(path, ignore_errors=True)
