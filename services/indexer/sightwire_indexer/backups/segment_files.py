"""Which files a segment of an index consists of, and where they are."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sightwire.blobs.store import BlobStore
from sightwire.errors import CorruptDataError, NotFoundError
from sightwire.segments.description import DESCRIPTION_FILE, SegmentDescription, parse_description
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import SegmentEntry
from sightwire_indexer.backups.files import FileToStore

#: What backups call the delete bitmap of a segment; no file of a segment has this name.
DELETES_FILE: Final = "deletes.roaring"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the index, by its key in the blob store."""

    key: str
    file: FileToStore


@dataclass(frozen=True, slots=True)
class SourceSegment:
    """A segment that is to be backed up."""

    entry: SegmentEntry
    description: SegmentDescription
    #: `segment.json` first.
    files: tuple[SourceFile, ...]
    deletes: SourceFile | None

    @property
    def all_files(self) -> tuple[SourceFile, ...]:
        """Its delete bitmap, too."""
        return self.files if self.deletes is None else (*self.files, self.deletes)


async def find_segment(blobs: BlobStore, layout: IndexLayout, entry: SegmentEntry) -> SourceSegment:
    """The files of a segment of a manifest.

    Raises:
        CorruptDataError: its description, or its delete bitmap, is not the one that is meant.
        NotFoundError: one of them is gone.
    """
    prefix = layout.segment_prefix(entry.id)
    key = f"{prefix}/{DESCRIPTION_FILE}"
    data = await blobs.get(key)
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != entry.description_sha256:
        raise CorruptDataError(f"blob {key!r} has sha256 {sha256}, the manifest says {entry.description_sha256}")
    description = parse_description(data, key)
    files = [SourceFile(key, FileToStore(DESCRIPTION_FILE, len(data), sha256))]
    files += [
        SourceFile(f"{prefix}/{file.name}", FileToStore(file.name, file.bytes, file.sha256))
        for file in description.files
    ]
    return SourceSegment(entry, description, tuple(files), await _find_deletes(blobs, entry))


async def on_this_machine(blobs: BlobStore, source: SourceFile, workspace: Path) -> Path:
    """Where a file can be read: in a local store where it is, else a copy in `workspace`."""
    local = blobs.local_path(source.key)
    if local is not None:
        return local
    copy = workspace / "source"
    await blobs.download(source.key, copy)
    return copy


async def _find_deletes(blobs: BlobStore, entry: SegmentEntry) -> SourceFile | None:
    if entry.deletes is None:
        return None
    size = await blobs.size(entry.deletes.key)
    if size is None:
        raise CorruptDataError(f"the delete bitmap {entry.deletes.key!r} of segment {entry.id} is gone")
    return SourceFile(entry.deletes.key, FileToStore(DELETES_FILE, size, entry.deletes.sha256))


async def is_whole(blobs: BlobStore, layout: IndexLayout, entry: SegmentEntry) -> bool:
    """Whether an index has a segment with every byte as it should be; reads all of it."""
    try:
        segment = await find_segment(blobs, layout, entry.model_copy(update={"deletes": None}))
        for source in segment.files:
            digest = hashlib.sha256()
            async for chunk in blobs.stream(source.key):
                await asyncio.to_thread(digest.update, chunk)
            if digest.hexdigest() != source.file.sha256:
                return False
    except (CorruptDataError, NotFoundError):
        return False
    return True
