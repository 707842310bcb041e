"""Turns what policies want of the segments of an index into merges that can be run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sightwire.segments.depot import SegmentDepot
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.index_upgrades import FieldIndex, IndexedSegment, segments_to_upgrade
from sightwire.segments.merge_policy import MergePolicy, SegmentSize
from sightwire.segments.merge_task import MergeTask
from sightwire.segments.open_segments import OpenSegment
from sightwire.segments.vector_indexes.policy import IndexPolicy
from sightwire.segments.writer import SegmentIdentity


@dataclass(frozen=True, slots=True)
class MergePlanner:
    """Plans merges of the segments that are live at one moment; see `IndexWriter.merge_planner`."""

    segments: tuple[OpenSegment, ...]
    depot: SegmentDepot
    #: Identity of a new segment of that id.
    identity: Callable[[str], SegmentIdentity]
    indexes: IndexPolicy
    #: See `merged_content`.
    drop_tombstones_up_to: int

    def merges(self, policy: MergePolicy, *, hurry: bool = False, busy: Sequence[MergeTask] = ()) -> list[MergeTask]:
        """The merges that the policy wants now, smallest first.

        Args:
            hurry: items stream in, so indexes had better be built quickly; see `choose_kind`.
            busy: merges that run already.
        """
        by_id = {segment.entry.id: segment for segment in self.segments}
        sizes = [SegmentSize.of(segment.entry) for segment in self.segments]
        indexes = replace(self.indexes, hurry=hurry)
        return [
            self._task([by_id[segment_id] for segment_id in ids], indexes)
            for ids in policy.merges(sizes, _sources_of(busy))
        ]

    def upgrades(self, *, busy: Sequence[MergeTask] = ()) -> list[MergeTask]:
        """Rewrites of single segments whose indexes are not of the kind that the collection wants, largest first.

        Args:
            busy: merges that run already or are planned.
        """
        taken = _sources_of(busy)
        idle = {segment.entry.id: segment for segment in self.segments if segment.entry.id not in taken}
        known = [
            IndexedSegment(
                segment_id,
                segment.entry.live_rows,
                [FieldIndex(name, field.rows, field.kind) for name, field in segment.live.reader.fields.items()],
            )
            for segment_id, segment in idle.items()
        ]
        return [self._task([idle[segment_id]], self.indexes) for segment_id in segments_to_upgrade(known, self.indexes)]

    def _task(self, sources: list[OpenSegment], indexes: IndexPolicy) -> MergeTask:
        segment_id = new_segment_id()
        return MergeTask.of(
            [segment.live for segment in sources],
            self.depot.folder(segment_id),
            self.identity(segment_id),
            indexes,
            drop_tombstones_up_to=self.drop_tombstones_up_to,
        )


def _sources_of(tasks: Sequence[MergeTask]) -> set[str]:
    return {segment_id for task in tasks for segment_id in task.source_ids}
