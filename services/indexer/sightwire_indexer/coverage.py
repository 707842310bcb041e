"""How far a copy of a collection's items has come: its index compared with the one that answers, as both are stored."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sightwire.blobs.store import BlobStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.migrations import Coverage
from sightwire.errors import InvalidInputError, UnknownCollectionError
from sightwire.segments.comparing import Comparison, ItemVersions, compare_items
from sightwire.segments.deletes import load_deletes
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.description import DESCRIPTION_FILE, ITEMS_FILE
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Manifest, SegmentEntry
from sightwire.segments.manifest_store import ManifestStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Index:
    """An index as of its newest manifest, which is None before its indexer has opened it."""

    record: CollectionRecord
    manifest: Manifest | None
    segments: tuple[ItemVersions, ...]

    @property
    def version(self) -> int:
        return self.manifest.version if self.manifest is not None else 0

    @property
    def checkpoint(self) -> int:
        return self.manifest.checkpoint.sequence if self.manifest is not None else 0

    @property
    def items(self) -> int:
        return self.manifest.items if self.manifest is not None else 0


class CoverageDesk:
    """Compares any two indexes with the same items.

    Args:
        work_dir: this machine's copies of a remote store's segments.
        find: the present record of a collection, None if there is none.
    """

    def __init__(self, blobs: BlobStore, work_dir: Path, find: Callable[[str], CollectionRecord | None]) -> None:
        self._blobs = blobs
        self._work_dir = work_dir
        self._find = find
        #: One after the other: a comparison keeps a core busy.
        self._turns = asyncio.Lock()

    async def compare(self, name: str, *, sample: int) -> Coverage:
        """How the index `name` differs from the one that answers for the same collection.

        Raises:
            UnknownCollectionError: one of them is gone.
            InvalidInputError: the collection `name` has no index of its own.
            CorruptDataError: a segment is damaged.
            NotFoundError: a segment went meanwhile; ask again.
            UnavailableError: the blob store does not answer.
        """
        copy = self._record(name)
        original = self._record(self._record(copy.users_name).index_name)
        for record in (copy, original):
            if not record.has_index:
                raise InvalidInputError(f"collection {record.name!r} has no index of its own to compare")
        async with self._turns:
            with TemporaryDirectory(dir=self._work_dir, ignore_cleanup_errors=True) as folder:
                # In this order: what comes meanwhile is rather taken for missing than for surplus, and deleted.
                present = await self._open(copy, Path(folder))
                wanted = await self._open(original, Path(folder))
                found = await asyncio.to_thread(compare_items, present.segments, wanted.segments, sample=sample)
        return _coverage(present, wanted, found)

    def _record(self, name: str) -> CollectionRecord:
        record = self._find(name)
        if record is None:
            raise UnknownCollectionError(f"there is no collection {name!r} to compare; it was deleted meanwhile")
        return record

    async def _open(self, record: CollectionRecord, folder: Path) -> _Index:
        layout = IndexLayout.of(record)
        manifest = await ManifestStore(self._blobs, layout).latest()
        if manifest is None:
            return _Index(record, None, ())
        segments = [await self._open_segment(layout, entry, folder) for entry in manifest.segments if entry.rows]
        return _Index(record, manifest, tuple(segments))

    async def _open_segment(self, layout: IndexLayout, entry: SegmentEntry, folder: Path) -> ItemVersions:
        deletes = await load_deletes(self._blobs, entry.deletes)
        present = SegmentDepot(self._blobs, layout, self._work_dir).folder(entry.id)
        if self._blobs.root is None and not present.exists():
            present = folder / entry.id
            present.mkdir()
            for file in (DESCRIPTION_FILE, ITEMS_FILE):
                await self._blobs.download(f"{layout.segment_prefix(entry.id)}/{file}", present / file)
        return await asyncio.to_thread(ItemVersions.open, present, deletes)


def _coverage(copy: _Index, original: _Index, found: Comparison) -> Coverage:
    coverage = Coverage(
        collection=copy.record.users_name,
        shadow=copy.record.name,
        space=copy.manifest.space if copy.manifest is not None else copy.record.space,
        manifest_version=original.version,
        shadow_manifest_version=copy.version,
        checkpoint=original.checkpoint,
        shadow_checkpoint=copy.checkpoint,
        items=original.items,
        shadow_items=copy.items,
        missing=found.missing,
        surplus=found.surplus,
        missing_items=found.missing_items,
        surplus_items=found.surplus_items,
    )
    logger.info(
        "compared two indexes of the same items",
        extra={
            "collection": coverage.collection,
            "index": coverage.shadow,
            "missing": coverage.missing,
            "surplus": coverage.surplus,
        },
    )
    return coverage
