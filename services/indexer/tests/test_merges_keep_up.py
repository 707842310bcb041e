"""Merges against streams of items, in simulated time: the real decisions, with speeds of builds that were measured."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sightwire_indexer.ingest_pace import IngestPace, PaceLimits
from sightwire_indexer.merge_processes import Lane
from sightwire_indexer.merging import lane_of

from sightwire.contracts.collections import IndexParameters
from sightwire.segments.index_upgrades import FieldIndex, IndexedSegment, segments_to_upgrade
from sightwire.segments.merge_policy import MergePolicy, SegmentSize
from sightwire.segments.merge_task import MergeTask
from sightwire.segments.vector_indexes.kinds import IndexKind
from sightwire.segments.vector_indexes.policy import IndexPolicy
from tests.plugin.segments import identity

COMMIT_SECONDS = 0.2
QUIET_STEP_SECONDS = 2.0
GRAPH_MIN_ROWS = 5_000
#: Seconds of any merge, and for each of its rows (vectors of 384) by the index that it builds: with one thread on two
#: cores that are busy with other work, which is two to three times what it takes alone.
MERGE_SECONDS = 0.15
ROW_SECONDS = {IndexKind.FLAT: 50e-6, IndexKind.IVF_SQ: 120e-6, IndexKind.HNSW: 1000e-6}


@dataclass(frozen=True)
class Segment:
    id: str
    rows: int
    kind: IndexKind


@dataclass(frozen=True)
class Running:
    sources: tuple[str, ...]
    rows: int
    kind: IndexKind
    ends: float


@dataclass
class Collection:
    """An index whose items are only counted."""

    policy: MergePolicy = field(default_factory=MergePolicy)
    pace: IngestPace = field(default_factory=IngestPace)
    segments: dict[str, Segment] = field(default_factory=dict)
    running: dict[Lane, Running] = field(default_factory=dict)
    now: float = 0.0
    most_segments: int = 0
    written_rows: int = 0
    _numbers: itertools.count = field(default_factory=itertools.count)

    def stream(self, seconds: float, rate: float) -> None:
        """Items come in at a rate, in commits."""
        ends = self.now + seconds
        while self.now < ends:
            self.now += COMMIT_SECONDS if rate else QUIET_STEP_SECONDS
            self._finish_merges()
            if items := round(rate * COMMIT_SECONDS):
                # Not even a large commit builds an index.
                self._add(items, IndexKind.FLAT)
                self.pace.committed(self.now, items)
            self._begin_merges()
            self.most_segments = max(self.most_segments, len(self.segments))

    def _add(self, rows: int, kind: IndexKind) -> None:
        segment_id = f"{next(self._numbers):06}"
        self.segments[segment_id] = Segment(segment_id, rows, kind)

    def _finish_merges(self) -> None:
        for lane, merge in list(self.running.items()):
            if merge.ends <= self.now:
                del self.running[lane]
                for source in merge.sources:
                    del self.segments[source]
                self._add(merge.rows, merge.kind)
                self.written_rows += merge.rows

    def _begin_merges(self) -> None:
        indexes = IndexPolicy(IndexParameters(), GRAPH_MIN_ROWS, hurry=self.pace.is_hurried(self.now))
        for sources in self._wanted(indexes):
            rows = sum(self.segments[source].rows for source in sources)
            task = MergeTask((), Path(), identity(), indexes, drop_tombstones_up_to=0, rows=rows)
            lane = lane_of(task, GRAPH_MIN_ROWS)
            if lane not in self.running:
                kind = indexes.kind_of("vector", rows)
                self.running[lane] = Running(sources, rows, kind, self.now + MERGE_SECONDS + ROW_SECONDS[kind] * rows)

    def _wanted(self, indexes: IndexPolicy) -> list[tuple[str, ...]]:
        busy = {source for merge in self.running.values() for source in merge.sources}
        merges = self.policy.merges([SegmentSize(each.id, each.rows, 0) for each in self.segments.values()], busy)
        if indexes.hurry:
            return merges
        planned = busy.union(*merges)
        idle = [each for each in self.segments.values() if each.id not in planned]
        known = [IndexedSegment(each.id, each.rows, [FieldIndex("vector", each.rows, each.kind)]) for each in idle]
        return [*merges, *((segment_id,) for segment_id in segments_to_upgrade(known, indexes))]


@pytest.mark.parametrize("rate", [1, 50, 150, 250, 1_000, 2_000, 3_000])
def test_a_steady_stream_leaves_few_segments(rate: int):
    collection = Collection()
    collection.stream(300, rate)
    assert collection.most_segments <= 45
    assert collection.written_rows <= 6 * 300 * rate


def test_two_million_items_at_two_thousand_a_second():
    collection = Collection()
    collection.stream(1_000, 2_000)
    full_segments = 1_000 * 2_000 / collection.policy.max_rows
    assert collection.most_segments <= 45 + 2 * full_segments


def test_after_the_stream_every_large_segment_gets_its_graph():
    collection = Collection()
    collection.stream(300, 2_000)
    assert IndexKind.IVF_SQ in {segment.kind for segment in collection.segments.values()}
    collection.stream(3_600, 0)
    assert not collection.running
    kinds = {segment.kind for segment in collection.segments.values() if segment.rows >= GRAPH_MIN_ROWS}
    assert kinds == {IndexKind.HNSW}


def test_without_hurry_the_same_stream_would_pile_up():
    collection = Collection(pace=IngestPace(PaceLimits(hurry_rate=1e9)))
    collection.stream(200, 2_000)
    assert collection.most_segments > 90


PHASES = st.lists(
    st.tuples(st.sampled_from([5, 30, 120]), st.sampled_from([0, 20, 150, 600, 2_000])), min_size=1, max_size=5
)


@given(PHASES)
@settings(max_examples=10, deadline=None)
def test_bursts_while_graphs_are_built_do_not_pile_up(phases: list[tuple[int, int]]):
    collection = Collection()
    for seconds, rate in phases:
        collection.stream(seconds, rate)
    assert collection.most_segments <= 60
    collection.stream(3_600, 0)
    assert not collection.running, "what is quiet comes to rest"
