"""Segment folders in the blob store, and on this machine's disk where they can be mapped into memory.

With a local blob store a segment's folder is its objects, nothing is copied. With a remote one, segments are built and
fetched in a folder of this machine.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from sightwire.blobs.durability import sync_object
from sightwire.blobs.store import BlobStore
from sightwire.ending_tasks import end_tasks
from sightwire.errors import CorruptDataError
from sightwire.segments.atomic_folder import TEMPORARY_PREFIX, flush_to_disk
from sightwire.segments.description import DESCRIPTION_FILE, SegmentDescription, read_description
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import SegmentEntry
from sightwire.segments.reader import SegmentReader

#: Files of a segment that travel at once; of small ones each is mostly waiting.
_TRANSFERS_AT_ONCE: Final = 4


class SegmentDepot:
    """Segments of one index; generations share them.

    Args:
        cache: folder for copies of a remote store's segments; not used with a local store.
    """

    def __init__(self, blobs: BlobStore, layout: IndexLayout, cache: Path) -> None:
        self._blobs = blobs
        self._layout = layout
        self._cache = cache

    def folder(self, segment_id: str) -> Path:
        """Where a segment is, or is to be written, on this machine."""
        key = self._layout.segment_prefix(segment_id)
        return self._blobs.local_path(key) or self._cache / key

    async def publish(self, segment_id: str) -> SegmentEntry:
        """Makes a segment that was written to `folder` durable in the store; returns its entry for a manifest."""
        folder = self.folder(segment_id)
        description, description_sha256 = await asyncio.to_thread(read_description, folder)
        prefix = self._layout.segment_prefix(segment_id)
        if self._blobs.root is not None:
            await asyncio.to_thread(sync_object, self._blobs.root, f"{prefix}/{DESCRIPTION_FILE}")
        else:
            # The description goes last: where it is, the segment is whole.
            await _all_done(
                partial(self._blobs.put, f"{prefix}/{file.name}", folder / file.name) for file in description.files
            )
            await self._blobs.put(f"{prefix}/{DESCRIPTION_FILE}", folder / DESCRIPTION_FILE)
        return segment_entry(description, description_sha256)

    async def open(self, entry: SegmentEntry, *, verify: bool = True) -> SegmentReader:
        """Opens a manifest's segment, fetching it first where it is not on this machine.

        What is fetched is compared with its checksums, whatever `verify` says.

        Raises:
            CorruptDataError: it is not the segment that the manifest means, or with `verify` a file is damaged.
            NotFoundError: the store does not have it.
        """
        folder = self.folder(entry.id)
        if self._blobs.root is None and not folder.exists():
            await self._fetch(entry, folder)
        reader = await asyncio.to_thread(SegmentReader.open, folder, verify=verify)
        if reader.description_sha256 != entry.description_sha256:
            raise CorruptDataError(
                f"segment {entry.id} in {folder} is not the one of the manifest: its {DESCRIPTION_FILE} has sha256 "
                f"{reader.description_sha256}, expected {entry.description_sha256}"
            )
        return reader

    async def remove_copies(self, *, except_for: Collection[str]) -> None:
        """Deletes this machine's copies of a remote store's segments; those that are open stay mapped regardless.

        Args:
            except_for: ids of segments that are still needed or being made.
        """
        if self._blobs.root is None:
            await asyncio.to_thread(_remove_folders, self._cache / self._layout.segments_prefix, except_for)

    async def _fetch(self, entry: SegmentEntry, folder: Path) -> None:
        prefix = self._layout.segment_prefix(entry.id)
        unfinished = folder.with_name(f"{TEMPORARY_PREFIX}{new_segment_id()}")
        try:
            await self._blobs.download(
                f"{prefix}/{DESCRIPTION_FILE}", unfinished / DESCRIPTION_FILE, sha256=entry.description_sha256
            )
            description, _ = await asyncio.to_thread(read_description, unfinished)
            await _all_done(
                partial(self._blobs.download, f"{prefix}/{file.name}", unfinished / file.name, sha256=file.sha256)
                for file in description.files
            )
            await asyncio.to_thread(_keep_first, unfinished, folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)


async def _all_done(transfers: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Some of them at once; when one fails, the others are given up."""
    places = asyncio.Semaphore(_TRANSFERS_AT_ONCE)

    async def carry_out(transfer: Callable[[], Awaitable[None]]) -> None:
        async with places:
            await transfer()

    tasks = [asyncio.create_task(carry_out(transfer)) for transfer in transfers]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end_tasks(*tasks)


def remove_unfinished_copies(cache: Path) -> None:
    """Deletes what a process that was killed left half-fetched or half-built in a cache folder of its own."""
    for folder in cache.glob(f"*/*/*/{TEMPORARY_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _remove_folders(parent: Path, except_for: Collection[str]) -> None:
    if not parent.is_dir():
        return
    for folder in parent.iterdir():
        # Temporary folders belong to fetches and merges that are under way.
        if folder.name not in except_for and not folder.name.startswith(TEMPORARY_PREFIX):
            shutil.rmtree(folder, ignore_errors=True)


def _keep_first(unfinished: Path, folder: Path) -> None:
    """Gives a complete copy its name, unless another one has it already: both are the same.

    Its files reach the disk first: a copy that has its name is trusted, also after a power cut.
    """
    for path in (*unfinished.iterdir(), unfinished):
        flush_to_disk(path)
    if not folder.exists():
        unfinished.rename(folder)
    flush_to_disk(folder.parent)


def segment_entry(description: SegmentDescription, description_sha256: str) -> SegmentEntry:
    """The manifest entry of a segment from which nothing is deleted."""
    return SegmentEntry(
        id=description.id,
        rows=description.rows,
        tombstones=description.tombstones,
        disk_bytes=description.disk_bytes,
        description_sha256=description_sha256,
    )
