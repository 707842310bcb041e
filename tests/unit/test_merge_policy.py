"""Which segments are merged: examples, and what must hold for every history of an index."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightwire.segments.merge_policy import MergePolicy, SegmentSize


def sizes(*rows: int) -> list[SegmentSize]:
    """Segments `s0`, `s1`, … without deletions."""
    return [SegmentSize(f"s{number}", count, 0) for number, count in enumerate(rows)]


POLICY = MergePolicy(segments_per_tier=3, max_rows=1000, max_deleted_share=0.5)


@pytest.mark.parametrize(
    ("segments", "busy", "expected"),
    [
        pytest.param([], (), [], id="nothing"),
        pytest.param(sizes(1, 1), (), [], id="too few"),
        pytest.param(sizes(1, 1, 1), (), [("s0", "s1", "s2")], id="a full tier"),
        pytest.param(sizes(1, 5, 30), (), [], id="one in each tier"),
        pytest.param(sizes(100, 1, 2, 1), (), [("s1", "s3", "s2")], id="only the small ones, smallest first"),
        pytest.param(
            sizes(1, 1, 1, 1, 1, 1, 1), (), [("s0", "s1", "s2"), ("s3", "s4", "s5")], id="two merges of a tier"
        ),
        pytest.param(
            sizes(90, 1, 1, 1, 90, 90), (), [("s1", "s2", "s3"), ("s0", "s4", "s5")], id="two tiers, small first"
        ),
        pytest.param(sizes(1, 1, 1), ("s1",), [], id="one is busy"),
        pytest.param(sizes(1, 1, 1, 1), ("s1",), [("s0", "s2", "s3")], id="a busy one does not hold up the others"),
        pytest.param(sizes(400, 500, 600), (), [("s0", "s1")], id="as many as fit into a segment"),
        pytest.param(sizes(600, 600, 600), (), [], id="no two of them fit"),
        pytest.param(sizes(1000, 1000, 1000), (), [], id="full segments stay"),
        pytest.param([SegmentSize("a", 10, 6)], (), [("a",)], id="mostly deleted: rewritten alone"),
        pytest.param([SegmentSize("a", 10, 5)], (), [], id="just not too much deleted"),
        pytest.param([SegmentSize("a", 2000, 1500)], (), [("a",)], id="full, but mostly deleted"),
        pytest.param([SegmentSize("a", 10, 10)], (), [("a",)], id="nothing left"),
        pytest.param([SegmentSize("a", 0, 0, 3)], (), [], id="only tombstones"),
        pytest.param(
            [SegmentSize(name, 0, 0, 1) for name in "abc"], (), [("a", "b", "c")], id="tombstones are merged too"
        ),
    ],
)
def test_examples(segments: list[SegmentSize], busy: tuple[str, ...], expected: list[tuple[str, ...]]) -> None:
    assert POLICY.merges(segments, busy) == expected


@pytest.mark.parametrize("limits", [{"segments_per_tier": 1}, {"max_rows": 0}, {"max_deleted_share": 0.0}])
def test_limits_that_cannot_work_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="2 or more segments per tier"):
        MergePolicy(**limits)  # type: ignore[arg-type]


POLICIES = st.builds(
    MergePolicy,
    segments_per_tier=st.integers(2, 10),
    max_rows=st.integers(10, 5000),
    max_deleted_share=st.floats(0.1, 1.0),
)
SEGMENTS = st.lists(
    st.tuples(st.integers(0, 6000), st.floats(0, 1), st.integers(0, 5)).map(
        lambda drawn: (drawn[0], int(drawn[0] * drawn[1]), drawn[2])
    ),
    max_size=60,
).map(lambda drawn: [SegmentSize(f"s{number}", *size) for number, size in enumerate(drawn)])


@given(policy=POLICIES, segments=SEGMENTS, data=st.data())
def test_merges_are_disjoint_known_idle_and_fit(
    policy: MergePolicy, segments: list[SegmentSize], data: st.DataObject
) -> None:
    by_id = {segment.id: segment for segment in segments}
    busy = data.draw(st.sets(st.sampled_from(sorted(by_id)))) if by_id else set()
    merges = policy.merges(segments, busy)
    merged = [segment_id for merge in merges for segment_id in merge]
    assert len(merged) == len(set(merged))
    assert not set(merged) & busy
    for merge in merges:
        live = sum(by_id[segment_id].live for segment_id in merge)
        assert len(merge) == 1 or live <= policy.max_rows
        if len(merge) == 1:
            assert by_id[merge[0]].deleted > policy.max_deleted_share * by_id[merge[0]].rows


def merged(segments: list[SegmentSize], merges: list[tuple[str, ...]], name: str) -> list[SegmentSize]:
    """The segments after some merges."""
    by_id = {segment.id: segment for segment in segments}
    for number, merge in enumerate(merges):
        sources = [by_id.pop(segment_id) for segment_id in merge]
        rows = sum(source.rows - source.deleted for source in sources)
        tombstones = sum(source.tombstones for source in sources)
        if rows or tombstones:
            by_id[f"{name}-{number}"] = SegmentSize(f"{name}-{number}", rows, 0, tombstones)
    return list(by_id.values())


def most_segments(policy: MergePolicy, live: int) -> float:
    """Bound on segments of an index that is merged: fewer than a tier each, and full ones."""
    tiers = math.floor(math.log(max(policy.max_rows, 2), policy.segments_per_tier) + 1e-9) + 1
    # Of any two that do not fit together, one is more than half full.
    return (policy.segments_per_tier - 1) * tiers + 2 * live / policy.max_rows + 1


@given(policy=POLICIES, segments=SEGMENTS)
def test_merging_ends_with_a_bounded_number_of_segments(policy: MergePolicy, segments: list[SegmentSize]) -> None:
    live = sum(segment.live for segment in segments)
    most_rounds = 2 * len(segments) + 1
    for round_ in range(most_rounds):
        merges = policy.merges(segments)
        if not merges:
            break
        segments = merged(segments, merges, f"round-{round_}")
    assert not policy.merges(segments), "merging never ends"
    assert len(segments) <= most_segments(policy, live)


@given(
    segments_per_tier=st.integers(2, 10),
    commits=st.lists(st.integers(1, 40), min_size=1, max_size=400),
)
@settings(deadline=None)
def test_every_item_is_written_a_logarithmic_number_of_times(segments_per_tier: int, commits: list[int]) -> None:
    policy = MergePolicy(segments_per_tier=segments_per_tier, max_rows=10**9)
    segments: list[SegmentSize] = []
    written = 0
    for number, rows in enumerate(commits):
        segments.append(SegmentSize(f"commit-{number}", rows, 0))
        written += rows
        for round_ in range(100):
            merges = policy.merges(segments)
            if not merges:
                break
            by_id = {segment.id: segment for segment in segments}
            written += sum(by_id[segment_id].rows for merge in merges for segment_id in merge)
            segments = merged(segments, merges, f"{number}-{round_}")
    total = sum(commits)
    tiers = math.floor(math.log(total, segments_per_tier) + 1e-9) + 1
    assert written <= total * (tiers + 1)
    assert len(segments) <= (segments_per_tier - 1) * tiers
