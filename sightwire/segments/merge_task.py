"""A merge as it is handed to another process: only paths, bytes and numbers, so that it can be pickled."""

from dataclasses import dataclass
from pathlib import Path

from pyroaring import BitMap

from sightwire.segments.merge import merged_content
from sightwire.segments.reader import SegmentReader
from sightwire.segments.version_index import LiveSegment
from sightwire.segments.writer import GraphPolicy, SegmentIdentity, write_segment


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
    graphs: GraphPolicy
    drop_tombstones_up_to: int
    #: Live items of the sources, for choosing where to run it.
    rows: int

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
    write_segment(task.destination, task.identity, content, graphs=task.graphs)
