"""Segments of a manifest as its writer holds them: open, with their deletes; and how they come to be."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyroaring import BitMap

from sightwire.blobs.store import BlobStore
from sightwire.segments.content import SegmentContent
from sightwire.segments.deletes import load_deletes, store_deletes
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import SegmentEntry
from sightwire.segments.version_index import LiveSegment
from sightwire.segments.writer import SegmentIdentity, write_segment


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment as a manifest names it, open."""

    entry: SegmentEntry
    live: LiveSegment


@dataclass(frozen=True, slots=True)
class SegmentStock:
    """Where an index's segments and their delete bitmaps are stored."""

    blobs: BlobStore
    layout: IndexLayout
    depot: SegmentDepot

    async def open(self, entries: Iterable[SegmentEntry], known: Iterable[OpenSegment] = ()) -> tuple[OpenSegment, ...]:
        """Opens segments; those of `known`, which are open already, only get their deletes.

        Raises:
            CorruptDataError: a segment or a delete bitmap is damaged.
            NotFoundError: one is gone.
        """
        readers = {segment.entry.id: segment for segment in known}
        return tuple([await self._open(entry, readers) for entry in entries])

    async def write(self, content: SegmentContent, identity: SegmentIdentity) -> OpenSegment:
        """Writes a new segment, without indexes over its vectors, and makes it durable."""
        await asyncio.to_thread(write_segment, self.depot.folder(identity.id), identity, content)
        entry = await self.depot.publish(identity.id)
        return OpenSegment(entry, LiveSegment(await self.depot.open(entry, verify=False), BitMap()))

    async def with_deletes(self, segment: OpenSegment, deletes: BitMap) -> OpenSegment:
        """The segment with other deletes, which are stored."""
        if deletes == segment.live.deletes:
            return segment
        reference = await store_deletes(self.blobs, self.layout, segment.entry.id, deletes)
        entry = segment.entry.model_copy(update={"deletes": reference})
        return OpenSegment(entry, LiveSegment(segment.live.reader, deletes))

    async def _open(self, entry: SegmentEntry, known: Mapping[str, OpenSegment]) -> OpenSegment:
        open_already = known.get(entry.id)
        if open_already is None:
            reader = await self.depot.open(entry, verify=False)
        elif open_already.entry.deletes == entry.deletes:
            return open_already
        else:
            reader = open_already.live.reader
        return OpenSegment(entry, LiveSegment(reader, await load_deletes(self.blobs, entry.deletes)))
