"""A merge as it is handed to another process: only paths, bytes and numbers, so that it can be pickled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pyroaring import BitMap

from sightwire.segments.deletes import deleted_rows
from sightwire.segments.merge import merged_content
from sightwire.segments.reader import SegmentReader
from sightwire.segments.vector_indexes.policy import IndexPolicy
from sightwire.segments.version_index import LiveSegment
from sightwire.segments.writer import SegmentIdentity, write_segment


@dataclass(frozen=True, slots=True)
class MergeSource:
    """A segment to merge, and its deletes (serialised) when the merge was planned."""

    folder: Path
    deletes: bytes


@dataclass(frozen=True, slots=True)
class MergeTask:
    """Merge `sources` into the new segment folder `destination`."""

    sources: tuple[MergeSource, ...]
    destination: Path
    identity: SegmentIdentity
    indexes: IndexPolicy
    drop_tombstones_up_to: int
    #: Live items of the sources, for choosing where to run it.
    rows: int

    @classmethod
    def of(
        cls,
        sources: Sequence[LiveSegment],
        destination: Path,
        identity: SegmentIdentity,
        indexes: IndexPolicy,
        *,
        drop_tombstones_up_to: int,
    ) -> Self:
        """A merge of open segments as they are now."""
        return cls(
            sources=tuple(MergeSource(source.reader.folder, source.deletes.serialize()) for source in sources),
            destination=destination,
            identity=identity,
            indexes=indexes,
            drop_tombstones_up_to=drop_tombstones_up_to,
            rows=sum(source.reader.rows - len(source.deletes) for source in sources),
        )

    @property
    def source_ids(self) -> tuple[str, ...]:
        return tuple(source.folder.name for source in self.sources)


def run_merge(task: MergeTask) -> None:
    """Executes a merge: reads, builds and writes; CPU-bound for seconds to hours. The result is complete or absent."""
    segments = [
        LiveSegment(SegmentReader.open(source.folder, verify=False), BitMap.deserialize(source.deletes))
        for source in task.sources
    ]
    content = merged_content(segments, segments[0].reader.schema, drop_tombstones_up_to=task.drop_tombstones_up_to)
    write_segment(task.destination, task.identity, content, indexes=task.indexes)


def still_fits(task: MergeTask, generation: str, segments: Mapping[str, LiveSegment]) -> bool:
    """Whether the result of a merge may take the place of its sources.

    Not once another generation is live, nor if an old state of the same one came back, in which a source is missing or
    a row counts that was deleted when the merge was planned: the result lacks it.

    Args:
        generation: the live one.
        segments: segments of the newest manifest, by id.
    """
    return task.identity.generation == generation and all(
        (segment := segments.get(source.folder.name)) is not None
        and BitMap.deserialize(source.deletes) <= segment.deletes
        for source in task.sources
    )


def deleted_meanwhile(task: MergeTask, sources: Mapping[str, LiveSegment], merged: SegmentReader) -> BitMap:
    """Rows of a finished merge whose item was superseded or deleted after the merge was planned.

    Args:
        sources: the merged segments by id, with their deletes of now.
        merged: the result.
    """
    deletes = BitMap()
    for planned in task.sources:
        source = sources[planned.folder.name]
        late_rows = deleted_rows(source.deletes - BitMap.deserialize(planned.deletes))
        if late_rows.size:
            rows = merged.find_ids(source.reader.ids(late_rows))
            assert (rows >= 0).all(), "a row that was live when the merge was planned is in its result"
            deletes.update(rows.tolist())
    return deletes
