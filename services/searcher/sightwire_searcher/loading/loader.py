"""Makes a snapshot from a manifest. Only segments that no snapshot has are opened, and each is checked only once.

So going back and forth between two generations of a collection costs little: segments never change.
"""

import asyncio
import logging
import shutil
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from sightwire.blobs.store import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import CorruptDataError, NotFoundError
from sightwire.segments.deletes import deleted_mask, load_deletes
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.generation_store import GenerationStore
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Manifest, SegmentEntry
from sightwire.segments.manifest_store import ManifestStore
from sightwire.segments.reader import SegmentReader
from sightwire.segments.vector_indexes.gpu import Gpu
from sightwire_searcher.loading.copies import CopyRoom
from sightwire_searcher.snapshot import SegmentView, Snapshot

logger = logging.getLogger(__name__)

#: Segments that are opened at once: enough to keep the disk busy, few enough to leave queries a core.
_OPENED_AT_ONCE: Final = 2


class SnapshotLoader:
    """Loads snapshots from the blob store.

    Args:
        cache: folder of this searcher alone, for segments of a remote store.
        verify: check every byte of a segment before it serves.
        gpu: where vectors are copied to as long as there is room.
        max_copied_bytes: what may lie in `cache`.
    """

    def __init__(
        self,
        blobs: BlobStore,
        cache: Path,
        *,
        verify: bool,
        gpu: Gpu | None = None,
        max_copied_bytes: int | None = None,
    ) -> None:
        self._blobs = blobs
        self._cache = cache
        self._room = CopyRoom(cache, limit=max_copied_bytes)
        self._verify = verify
        self._gpu = gpu
        self._opening = asyncio.Semaphore(_OPENED_AT_ONCE)
        #: Open segments by folder, as long as a snapshot or a query uses them.
        self._readers: WeakValueDictionary[Path, SegmentReader] = WeakValueDictionary()
        #: Folders of segments whose every byte this process has checked.
        self._verified: set[Path] = set()

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
        """Deletes this machine's copies of segments that neither `snapshot` nor a generation that may return has.

        Those in use stay mapped regardless.
        """
        if self._blobs.root is not None:
            return
        layout = IndexLayout.of(snapshot.record)
        used = {view.reader.id for view in snapshot.segments}
        unused = await asyncio.to_thread(_folders_except, self._cache / layout.segments_prefix, used)
        if not unused:
            return
        # Asked only now: most commits leave nothing behind.
        returning = await self._segments_that_may_return(layout)
        removed = [folder for folder in unused if folder.name not in returning]
        self._verified.difference_update(removed)
        await asyncio.to_thread(_remove, removed)

    async def remove_all(self, record: CollectionRecord) -> None:
        """Deletes this machine's copies of a collection that is gone."""
        folder = self._blobs.local_path(record.index_prefix) or self._cache / record.index_prefix
        self._verified = {segment for segment in self._verified if not segment.is_relative_to(folder)}
        if self._blobs.root is None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _segments_that_may_return(self, layout: IndexLayout) -> set[str]:
        records = await GenerationStore(self._blobs, layout).all()
        return {entry.id for record in records if record.state.can_become_live for entry in record.segments}

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
        folder = depot.folder(entry.id)
        reader = self._readers.get(folder)
        if reader is not None and reader.description_sha256 == entry.description_sha256:
            return reader
        async with self._opening, self._room_for(entry, folder):
            verify = self._verify and folder not in self._verified
            try:
                reader = await depot.open(entry, verify=verify)
            except CorruptDataError:
                if self._blobs.root is not None:
                    raise
                # A copy may have been damaged here; the original decides.
                logger.warning("fetching a damaged segment again", extra={"segment": entry.id})
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
                verify = self._verify
                reader = await depot.open(entry, verify=verify)
            if verify:
                self._verified.add(folder)
            else:
                # Checking reads every page anyway.
                await asyncio.to_thread(reader.warm)
            if self._gpu is not None:
                await asyncio.to_thread(reader.copy_to, self._gpu)
            self._readers[folder] = reader
            return reader

    def _room_for(self, entry: SegmentEntry, folder: Path) -> AbstractAsyncContextManager[None]:
        if self._blobs.root is not None or folder.exists():
            return nullcontext()
        return self._room.reserved(entry.disk_bytes, lambda: set(self._readers.keys()))


def _compute_lazy_parts(snapshot: Snapshot) -> None:
    """Computes here what the first query would otherwise compute."""
    _ = snapshot.description
    for view in snapshot.segments:
        _ = view.live_rows, view.time_bounds, view.reader.id_hashes, view.reader.versions
        _ = view.reader.object_item_rows, view.reader.object_offsets, view.reader.boxes, view.reader.text


def _folders_except(folder: Path, kept: Iterable[str]) -> list[Path]:
    kept = set(kept)
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.is_dir() and path.name not in kept and path.name[0] != "."]


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
