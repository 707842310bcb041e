"""Fusion by normalised scores: bounds and order."""

from hypothesis import given
from hypothesis import strategies as st
from sightwire_searcher.search.fusion import FieldPlace, FusedItem, FusedRanking
from sightwire_searcher.search.normalized_scores import fuse_by_normalized_score, fuse_with_text
from sightwire_searcher.search.rankings import Found, Ranking, by_score_then_id

# Eighths, which scaling keeps apart.
scores = st.integers(-1000, 1000).map(lambda number: number / 8)
weights = st.floats(min_value=0.01, max_value=100)


def ranking(**found: float) -> Ranking:
    items = [Found(score, item_id, 0, 0) for item_id, score in found.items()]
    return Ranking(sorted(items, key=by_score_then_id), complete=True)


rankings = st.dictionaries(st.sampled_from("abcdefgh"), scores).map(lambda found: ranking(**found))


def test_scores_are_scaled_and_weighted() -> None:
    fused = fuse_by_normalized_score([ranking(a=0.9, b=0.5, c=0.1), ranking(b=20.0, d=10.0)], [1.0, 3.0])

    assert [(item.found.item_id, round(item.found.score, 6)) for item in fused.items] == [
        ("b", 0.875),
        ("a", 0.25),
        ("c", 0.0),
        ("d", 0.0),
    ]
    assert fused.items[0].places == (FieldPlace(0.5, 2), FieldPlace(20.0, 1))
    assert fused.items[1].places == (FieldPlace(0.9, 1), FieldPlace(0.0, 0))


def test_averaged_fields_count_as_one_ranking_beside_the_text() -> None:
    places = (FieldPlace(0.8, 1), FieldPlace(0.6, 1))
    fields = FusedRanking([FusedItem(Found(0.7, "a", 0, 0), places)], complete=True)

    fused = fuse_with_text(fields, [1.0, 1.0], ranking(b=5.0), 3.0)

    assert [(item.found.item_id, item.found.score) for item in fused.items] == [("b", 0.75), ("a", 0.25)]
    assert fused.items[1].places == (*places, FieldPlace(0.0, 0))
    assert fused.items[0].places == (FieldPlace(0.0, 0), FieldPlace(0.0, 0), FieldPlace(5.0, 1))


@given(st.lists(st.tuples(rankings, weights), min_size=1, max_size=4))
def test_fused_scores_are_between_0_and_1_and_fall(parts: list[tuple[Ranking, float]]) -> None:
    fused = fuse_by_normalized_score([part for part, _ in parts], [weight for _, weight in parts])

    assert all(0 <= item.found.score <= 1 for item in fused.items)
    assert [item.found for item in fused.items] == sorted((item.found for item in fused.items), key=by_score_then_id)
    found = {item.item_id for part, _ in parts for item in part.found}
    assert {item.found.item_id for item in fused.items} == found


@given(rankings, weights)
def test_a_single_ranking_keeps_its_order_apart_from_ties(part: Ranking, weight: float) -> None:
    fused = fuse_by_normalized_score([part], [weight])

    original = {item.item_id: item.score for item in part.found}
    ordered = [original[item.found.item_id] for item in fused.items]
    assert ordered == sorted(ordered, reverse=True)
