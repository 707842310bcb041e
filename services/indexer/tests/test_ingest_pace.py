"""When merges hurry: by the rate of the last seconds, with room between hurrying and taking time."""

import pytest
from sightwire_indexer.ingest_pace import IngestPace, PaceLimits, must_hurry
from sightwire_indexer.merge_priority import cores_for_merges
from sightwire_indexer.merge_processes import Lane
from sightwire_indexer.merging import lane_of

from sightwire.contracts.collections import IndexParameters, IndexType
from sightwire.segments.merge_task import MergeTask
from sightwire.segments.vector_indexes.policy import IndexPolicy
from tests.plugin.segments import identity

LIMITS = PaceLimits(hurry_rate=200, calm_rate=100, window_seconds=10)


@pytest.mark.parametrize(
    ("rate", "is_hurrying", "expected"),
    [
        (0, False, False),
        (0, True, False),
        (99, True, False),
        (100, True, True),
        (199, True, True),
        (199, False, False),
        (200, False, True),
        (2_000, True, True),
    ],
)
def test_the_rate_decides_and_between_the_limits_it_stays_as_it_is(rate: float, is_hurrying: bool, expected: bool):
    assert must_hurry(rate, LIMITS, is_hurrying=is_hurrying) is expected


def test_the_rate_is_that_of_the_window():
    pace = IngestPace(LIMITS)
    assert pace.rate(0.0) == 0
    for second in range(20):
        pace.committed(float(second), 500)
    assert pace.rate(19.0) == 500
    assert pace.rate(24.0) == 250
    assert pace.rate(29.0) == 0


def test_a_burst_is_hurried_at_once_and_calm_a_window_later():
    pace = IngestPace(LIMITS)
    pace.committed(0.0, 1_500)
    assert not pace.is_hurried(0.0)
    assert pace.calm_at(0.0) is None
    pace.committed(1.0, 1_500)
    assert pace.is_hurried(1.0)
    assert pace.calm_at(1.0) == 11.0, "what came first is 1,500 items, and those alone are a rate of 150"
    assert pace.is_hurried(10.9)
    assert not pace.is_hurried(11.0)


def test_a_steady_trickle_is_never_hurried():
    pace = IngestPace(LIMITS)
    for second in range(100):
        pace.committed(float(second), 50)
        assert not pace.is_hurried(float(second))


@pytest.mark.parametrize(
    ("rows", "type_", "hurry", "expected"),
    [
        pytest.param(4_999, IndexType.AUTO, False, Lane.SHORT, id="no index"),
        pytest.param(5_000, IndexType.AUTO, False, Lane.MEDIUM, id="a small graph"),
        pytest.param(30_000, IndexType.AUTO, False, Lane.LONG, id="a large graph"),
        pytest.param(30_000, IndexType.AUTO, True, Lane.MEDIUM, id="in a hurry"),
        pytest.param(400_000, IndexType.AUTO, True, Lane.LONG, id="in a hurry, but very large"),
        pytest.param(30_000, IndexType.HNSW_SQ, True, Lane.LONG, id="a graph was asked for"),
        pytest.param(30_000, IndexType.IVF_PQ, False, Lane.MEDIUM, id="inverted lists were asked for"),
        pytest.param(30_000, IndexType.FLAT, False, Lane.MEDIUM, id="no index was asked for"),
    ],
)
def test_merges_that_take_about_as_long_share_a_process(
    tmp_path, rows: int, type_: IndexType, hurry: bool, expected: Lane
):
    indexes = IndexPolicy(IndexParameters(type=type_), min_rows=5_000, hurry=hurry)
    task = MergeTask((), tmp_path, identity(), indexes, drop_tombstones_up_to=0, rows=rows)
    assert lane_of(task, 5_000) is expected


@pytest.mark.parametrize(("available", "expected"), [({0}, {0}), ({3, 1}, {3}), (range(4), {1, 2, 3})])
def test_one_core_is_left_to_commits_and_queries(available, expected: set[int]):
    assert cores_for_merges(available) == expected
