"""A collection as queries see it: immutable, so that an answer is consistent whatever is loaded meanwhile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sightwire.contracts.collections import CollectionRecord, IndexParameters
from sightwire.contracts.names import FIRST_GENERATION
from sightwire.segments.identifiers import hash_ids
from sightwire.segments.manifest import Manifest
from sightwire.segments.reader import SegmentReader
from sightwire.segments.vector_indexes.policy import index_parameters
from sightwire.v1 import searcher_pb2
from sightwire_searcher.description import field_statistics, segment_statistics
from sightwire_searcher.filters.columns import Mask
from sightwire_searcher.filters.pruning import TimeBounds


@dataclass(frozen=True)
class SegmentView:
    """An open segment together with the deletions of one manifest."""

    reader: SegmentReader
    #: Key of the delete bitmap in the blob store; None when nothing is deleted.
    deletes_key: str | None = None
    #: bool [rows], false where deleted; None when nothing is.
    live: Mask | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """Same key, same segment and same deletions."""
        return self.reader.id, self.deletes_key

    @cached_property
    def live_rows(self) -> int:
        """Items that a search may find."""
        return self.reader.rows if self.live is None else int(np.count_nonzero(self.live))

    @cached_property
    def time_bounds(self) -> TimeBounds | None:
        """Times of the first and last item, deleted ones included; None for a segment without items."""
        times = self.reader.times
        return TimeBounds(first=int(times.min()), last=int(times.max())) if len(times) else None

    def is_live(self, row: int) -> bool:
        return self.live is None or bool(self.live[row])


@dataclass(frozen=True, slots=True)
class ItemPosition:
    """Where an item is: the position of its segment in the snapshot, and its row in there."""

    segment: int
    row: int


@dataclass(frozen=True)
class Snapshot:
    """All segments of one manifest version. Held by each query that uses it; its memory goes with the last of them."""

    record: CollectionRecord
    #: None before the indexer has committed anything: the collection is empty.
    manifest: Manifest | None
    segments: tuple[SegmentView, ...]

    @property
    def version(self) -> int:
        """Manifest version; 0 when there is none yet."""
        return self.manifest.version if self.manifest is not None else 0

    @property
    def incarnation(self) -> str:
        """What versions belong to: they count anew in another incarnation of the collection."""
        return self.record.uid

    @property
    def generation(self) -> str:
        """The generation that this version answers from."""
        return self.manifest.generation if self.manifest is not None else FIRST_GENERATION

    @property
    def space(self) -> str:
        """Space of the platform's vectors in this version."""
        return self.manifest.space if self.manifest is not None else self.record.space

    def index_parameters(self, field: str) -> IndexParameters:
        """How a vector field of this version is indexed and searched."""
        spec = self.record.spec
        return index_parameters(spec.fields[field], self.manifest.index if self.manifest is not None else spec.index)

    @cached_property
    def items(self) -> int:
        """Number of live items."""
        return sum(view.live_rows for view in self.segments)

    @cached_property
    def disk_bytes(self) -> int:
        return sum(view.reader.disk_bytes for view in self.segments)

    @cached_property
    def resident_bytes(self) -> int:
        """What must fit into memory for searches not to wait for the disk, and deletions."""
        deletions = sum(view.live.nbytes for view in self.segments if view.live is not None)
        return sum(view.reader.resident_bytes for view in self.segments) + deletions

    @cached_property
    def description(self) -> searcher_pb2.DescribeCollectionResponse:
        """What `DescribeCollection` tells of this version; nobody may change it."""
        readers = [view.reader for view in self.segments]
        return searcher_pb2.DescribeCollectionResponse(
            collection=self.record.name,
            uid=self.record.uid,
            generation=self.generation,
            manifest_version=self.version,
            items=self.items,
            segments=len(self.segments),
            resident_bytes=self.resident_bytes,
            disk_bytes=self.disk_bytes,
            checkpoint=self.manifest.checkpoint.sequence if self.manifest is not None else 0,
            deleted_items=sum(reader.rows for reader in readers) - self.items,
            tombstones=sum(reader.description.tombstones for reader in readers),
            text_bytes=sum(reader.description.text_bytes for reader in readers),
            fields=field_statistics(self.record, readers),
            largest_segments=segment_statistics(readers, [view.live_rows for view in self.segments]),
        )

    def find(self, ids: Sequence[str]) -> list[ItemPosition | None]:
        """Where live items are, None for an id that the snapshot does not have."""
        positions: list[ItemPosition | None] = [None] * len(ids)
        hashes = hash_ids(ids)
        for number, view in enumerate(self.segments):
            for index, row in _found(view.reader.find_ids(ids, hashes)):
                if view.is_live(row):
                    positions[index] = ItemPosition(number, row)
        return positions


def _found(rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    indexes = np.flatnonzero(rows >= 0)
    return zip(indexes.tolist(), rows[indexes].tolist(), strict=True)
