"""Segments that are rewritten for a better index: those whose fields would get another one now."""

import pytest

from sightwire.contracts.collections import IndexParameters, IndexType
from sightwire.segments.index_upgrades import FieldIndex, IndexedSegment, segments_to_upgrade
from sightwire.segments.vector_indexes.kinds import IndexKind
from sightwire.segments.vector_indexes.policy import IndexPolicy

FLAT, HNSW, LISTS = IndexKind.FLAT, IndexKind.HNSW, IndexKind.IVF_SQ


@pytest.mark.parametrize(
    ("type_", "kinds", "rows", "expected"),
    [
        pytest.param(IndexType.AUTO, [LISTS], 5_000, True, id="built in a hurry"),
        pytest.param(IndexType.AUTO, [FLAT], 5_000, True, id="one large commit"),
        pytest.param(IndexType.AUTO, [HNSW], 5_000, False, id="as it should be"),
        pytest.param(IndexType.AUTO, [FLAT], 4_999, False, id="too small for an index"),
        pytest.param(IndexType.AUTO, [HNSW], 4_999, False, id="too small, but it has one"),
        pytest.param(IndexType.AUTO, [HNSW, LISTS], 5_000, True, id="one field of two"),
        pytest.param(IndexType.IVF_PQ, [LISTS], 9_000, False, id="too few vectors to quantise"),
        pytest.param(IndexType.FLAT, [LISTS], 5_000, False, id="an index where none is wanted harms nobody"),
        pytest.param(IndexType.HNSW_SQ, [HNSW], 5_000, True, id="the collection wants another one now"),
    ],
)
def test_a_segment_is_rewritten_when_a_field_would_get_another_index(
    type_: IndexType, kinds: list[IndexKind], rows: int, expected: bool
) -> None:
    wanted = IndexPolicy(IndexParameters(type=type_), min_rows=5_000)
    fields = [FieldIndex(f"field-{number}", rows, kind) for number, kind in enumerate(kinds)]
    assert segments_to_upgrade([IndexedSegment("s", rows, fields)], wanted) == (["s"] if expected else [])


def test_the_largest_comes_first() -> None:
    wanted = IndexPolicy(IndexParameters(), min_rows=1)
    segments = [
        IndexedSegment("a", 10, [FieldIndex("f", 10, LISTS)]),
        IndexedSegment("b", 30, [FieldIndex("f", 30, LISTS)]),
        IndexedSegment("c", 20, [FieldIndex("f", 20, HNSW)]),
        IndexedSegment("d", 10, [FieldIndex("f", 10, FLAT)]),
    ]
    assert segments_to_upgrade(segments, wanted) == ["b", "a", "d"]


def test_a_collection_with_nothing_in_it_wants_nothing() -> None:
    assert segments_to_upgrade([], IndexPolicy(IndexParameters(), min_rows=1)) == []
