"""Merging, fusing and paging of rankings."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sightwire_searcher.search.fusion import FusedItem, FusedRanking, fuse, fusion_depth
from sightwire_searcher.search.paging import joined, step_ends
from sightwire_searcher.search.rankings import Found, Ranking, SegmentHits, merge
from sightwire_searcher.snapshot import SegmentView, Snapshot

from services.searcher.tests.building import build_segment, collection_record, indexed_item

ROWS = 6


@pytest.fixture(scope="module")
def snapshot() -> Iterator[Snapshot]:
    record = collection_record()
    with TemporaryDirectory() as folder:
        readers = [
            build_segment(Path(folder), record, [indexed_item(f"{part}-{number}") for number in range(ROWS)])
            for part in range(3)
        ]
        yield Snapshot(record, None, tuple(SegmentView(reader) for reader in readers))


scores = st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5]), max_size=ROWS).map(
    lambda values: sorted(values, reverse=True)
)


@given(parts=st.lists(scores, min_size=1, max_size=3), depth=st.integers(1, 20))
@settings(deadline=None)
def test_merging_is_sorting_everything(parts: list[list[float]], depth: int, snapshot: Snapshot) -> None:
    hits = [
        SegmentHits(segment, np.array(values, dtype=np.float32), np.arange(len(values), dtype=np.int64))
        for segment, values in enumerate(parts)
    ]
    everything = [
        (-score, snapshot.segments[segment].reader.ids([row])[0], segment, row)
        for segment, values in enumerate(parts)
        for row, score in enumerate(values)
    ]
    expected = [Found(-negative, item_id, segment, row) for negative, item_id, segment, row in sorted(everything)]
    assert merge(snapshot, hits, depth) == expected[:depth]


def ranking(*ids: str, complete: bool = True) -> Ranking:
    return Ranking([Found(1 / (1 + rank), item_id, 0, rank) for rank, item_id in enumerate(ids)], complete)


def fused(*ids: str, complete: bool = True) -> FusedRanking:
    return fuse([ranking(*ids, complete=complete)], [1.0])


distinct_ids = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(rankings=st.lists(st.tuples(distinct_ids, st.sampled_from([0.5, 1.0, 3.0])), min_size=2, max_size=4))
def test_fusion_adds_weighted_reciprocal_ranks(rankings: list[tuple[list[str], float]]) -> None:
    answer = fuse([ranking(*ids) for ids, _ in rankings], [weight for _, weight in rankings])
    expected = {
        item_id: sum(weight / (61 + ids.index(item_id)) for ids, weight in rankings if item_id in ids)
        for item_id in {item_id for ids, _ in rankings for item_id in ids}
    }
    assert {item.found.item_id: pytest.approx(item.found.score) for item in answer.items} == expected
    keys = [(-item.found.score, item.found.item_id) for item in answer.items]
    assert keys == sorted(keys)
    for item in answer.items:
        ranks = [ids.index(item.found.item_id) + 1 if item.found.item_id in ids else 0 for ids, _ in rankings]
        assert [place.rank for place in item.places] == ranks


def test_a_single_ranking_keeps_its_scores() -> None:
    answer = fuse([ranking("x", "y", complete=False)], [2.0])
    assert [(item.found.item_id, item.found.score, item.places[0].rank) for item in answer.items] == [
        ("x", 1.0, 1),
        ("y", 0.5, 2),
    ]
    assert not answer.complete


@pytest.mark.parametrize(("depth", "fields", "expected"), [(10, 1, 10), (10, 2, 100), (500, 2, 1000)])
def test_fused_fields_are_searched_deeper(depth: int, fields: int, expected: int) -> None:
    assert fusion_depth(depth, fields) == expected


@pytest.mark.parametrize(
    ("k", "offset", "expected"),
    [(10, 0, [10]), (10, 10, [10, 40]), (10, 30, [10, 40]), (10, 31, [10, 40, 160]), (1000, 9000, [1000, 4000, 16000])],
)
def test_steps_reach_the_end_of_the_page(k: int, offset: int, expected: list[int]) -> None:
    assert step_ends(k, offset) == expected


def test_a_deeper_search_that_finds_something_better_does_not_disturb_earlier_pages() -> None:
    shallow, deep = fused("a", "b", complete=False), fused("a", "better", "b", "c", "d")
    sequence: list[FusedItem] = joined([shallow, deep], [2, 8])
    assert [item.found.item_id for item in sequence] == ["a", "b", "better", "c", "d"]


@given(data=st.data(), k=st.integers(1, 4))
def test_pages_have_no_result_twice_and_leave_none_out(data: st.DataObject, k: int) -> None:
    """Whatever order each depth's search answers in, as long as the deepest one finds everything."""
    universe = list("abcdefghijkl")
    everything = len(universe)
    answers = {
        end: fused(*data.draw(st.permutations(universe))[:end], complete=end >= everything)
        for end in step_ends(k, everything)
    }
    found: list[str] = []
    for offset in range(0, everything, k):
        ends = step_ends(k, offset)
        sequence = joined([answers[end] for end in ends], ends)
        found.extend(item.found.item_id for item in sequence[offset : offset + k])
    assert sorted(found) == universe
