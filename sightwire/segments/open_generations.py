"""A generation's content, open to be read: by gates, and by what answers for it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from sightwire.contracts.collections import IndexParameters
from sightwire.segments.generations import GenerationRecord
from sightwire.segments.manifest import Manifest
from sightwire.segments.open_segments import OpenSegment


@dataclass(frozen=True, slots=True)
class OpenGeneration:
    """A generation as it was at one moment; what is committed later does not change it."""

    name: str
    #: Manifest version that it is the content of, or that it was made from.
    manifest_version: int
    space: str
    index: IndexParameters
    segments: tuple[OpenSegment, ...]

    @classmethod
    def of_manifest(cls, manifest: Manifest, segments: tuple[OpenSegment, ...]) -> Self:
        """What was live as of a manifest."""
        return cls(manifest.generation, manifest.version, manifest.space, manifest.index, segments)

    @classmethod
    def of_record(cls, record: GenerationRecord, segments: tuple[OpenSegment, ...]) -> Self:
        """A generation that is not live."""
        return cls(record.name, record.base_version, record.space, record.index, segments)

    @property
    def items(self) -> int:
        """Number of live items."""
        return sum(segment.entry.live_rows for segment in self.segments)


class SegmentUse:
    """Which segments are being read, so that this machine's copies of them stay."""

    def __init__(self) -> None:
        self._readers = Counter[str]()

    @property
    def ids(self) -> frozenset[str]:
        """Ids of segments that somebody reads."""
        return frozenset(self._readers)

    @contextmanager
    def reading(self, ids: Sequence[str]) -> Iterator[None]:
        """Counts as reading these segments until it is left."""
        self._readers.update(ids)
        try:
            yield
        finally:
            self._readers -= Counter(ids)
