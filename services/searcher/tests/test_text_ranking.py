"""Ranking by words over segments: scores do not depend on how items are spread, results respect filters."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sightwire_searcher.search.highlights import EXCERPT_CHARACTERS, Highlighter
from sightwire_searcher.search.query import CheckedFilter
from sightwire_searcher.search.rankings import Ranking
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.search.text_query import checked_text
from sightwire_searcher.search.text_ranking import TextSearch
from sightwire_searcher.selection_cache import SelectionCache
from sightwire_searcher.snapshot import SegmentView, Snapshot

from services.searcher.tests.building import build_segment, collection_record, detected, indexed_item
from sightwire.contracts.collections import TextLanguage
from sightwire.segments.batch import IndexedItem
from sightwire.v1 import searcher_pb2 as pb

QUERIES = ["red shoe", '"red shoe"', "sho* dog", "shoo~1", "red -dog", "dog cat red", "cup person"]
WORDS = st.sampled_from(["red", "shoe", "shoes", "dog", "cat", "the", "shop"])
RECORD = collection_record()


def item(number: int, text: str | None, **parts: Any) -> IndexedItem:
    return dataclasses.replace(indexed_item(f"item-{number:04}", **parts), text=text)


def snapshot_of(folder: Path, *segments: Sequence[IndexedItem]) -> Snapshot:
    views = [SegmentView(build_segment(folder, RECORD, items)) for items in segments]
    return Snapshot(RECORD, None, tuple(views))


def ranked(
    snapshot: Snapshot, text: str, *, depth: int = 1000, filter_: CheckedFilter | None = None, **parts: Any
) -> Ranking:
    query = checked_text(pb.TextQuery(text=text, **parts), TextLanguage.ENGLISH)
    return TextSearch(snapshot, Selections(SelectionCache(1 << 20)), query, filter_).rank(depth)


def ids(ranking: Ranking) -> list[str]:
    return [found.item_id for found in ranking.found]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.lists(WORDS, min_size=4, max_size=4).map(" ".join), min_size=5, max_size=15))
def test_scores_do_not_depend_on_how_items_are_spread(texts: list[str], tmp_path: Path) -> None:
    items = [item(number, text, objects=[detected(number % 2)]) for number, text in enumerate(texts)]
    whole = snapshot_of(tmp_path, items)
    spread = snapshot_of(tmp_path, *(items[start::5] for start in range(5)))
    for text in QUERIES:
        together, apart = ranked(whole, text), ranked(spread, text)
        expected = {found.item_id: found.score for found in together.found}
        # All parts are of one length here, on which scores depend too.
        assert {found.item_id: found.score for found in apart.found} == pytest.approx(expected, rel=1e-5)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.lists(WORDS, min_size=1, max_size=9).map(" ".join), min_size=5, max_size=15))
def test_average_lengths_change_the_score_of_a_word_by_no_more_than_their_ratio(
    texts: list[str], tmp_path: Path
) -> None:
    items = [item(number, text) for number, text in enumerate(texts)]
    whole, spread = snapshot_of(tmp_path, items), snapshot_of(tmp_path, *(items[start::5] for start in range(5)))
    average = np.mean([len(text.split()) for text in texts])
    parts = [np.mean([len(text.split()) for text in texts[start::5]]) for start in range(5)]
    bound = 1.0001 * max(max(average / part, part / average) for part in parts)
    for word in ("red", "shoe"):
        expected = {found.item_id: found.score for found in ranked(whole, word).found}
        scores = {found.item_id: found.score for found in ranked(spread, word).found}
        assert scores.keys() == expected.keys()
        for item_id, score in scores.items():
            assert expected[item_id] / bound <= score <= expected[item_id] * bound


def test_words_are_found_in_text_tags_and_classes(tmp_path: Path) -> None:
    snapshot = snapshot_of(
        tmp_path,
        [item(1, "two dogs"), item(2, None, tags=["dog"]), item(3, None, objects=[detected(1), detected(1)])],
        [item(4, "nothing")],
        [item(5, None)],
    )
    assert snapshot.segments[2].reader.text is None
    assert sorted(ids(ranked(snapshot, "dog"))) == ["item-0001", "item-0002", "item-0003"]
    assert ids(ranked(snapshot, "dog", parts=["tags"])) == ["item-0002"]
    assert ids(ranked(snapshot, "dog", parts=["classes"])) == ["item-0003"]
    assert ids(ranked(snapshot, "dog nothing", require_all=True)) == []


@pytest.mark.parametrize("share", [2, 20, 5000])
def test_filtered_results_are_the_best_of_those_allowed(tmp_path: Path, share: int) -> None:
    items = [
        item(number, "dog " * (number % 7 + 1) + "cat", tags=["kept"] if number % share == 0 else [])
        for number in range(5001)
    ]
    snapshot = snapshot_of(tmp_path, items)
    message = pb.Filter(tags_any=pb.StringList(values=["kept"]))
    filter_ = CheckedFilter(message, message.SerializeToString())
    everything = [found.item_id for found in ranked(snapshot, "dog", depth=5001, parts=["text"]).found]
    kept = [item_id for item_id in everything if int(item_id[5:]) % share == 0]

    filtered = ranked(snapshot, "dog", depth=10, filter_=filter_, parts=["text"])

    assert len(everything) == 5001
    assert len(filtered.found) == min(10, len(kept))
    scores = {found.item_id: found.score for found in ranked(snapshot, "dog", depth=5001, parts=["text"]).found}
    assert [found.score for found in filtered.found] == pytest.approx([scores[item_id] for item_id in kept[:10]])
    assert filtered.complete == (len(kept) <= 10)


def test_masks_are_of_all_that_match(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, [item(1, "red dog"), item(2, "red cat"), item(3, "cup")], [item(4, None)])
    cache = SelectionCache(1_000_000)
    selections = Selections(cache)
    masks = selections.with_words(snapshot, checked_text(pb.TextQuery(text="red -cat"), TextLanguage.ENGLISH))
    found = [view.reader.ids(np.flatnonzero(mask)) for view, mask in zip(snapshot.segments, masks, strict=True)]
    assert found == [["item-0001"], []]
    kept = len(cache)
    for text, is_kept in (("-cat red", True), ("red", False), ("red cat", False), ("red -cat", True)):
        again = selections.with_words(snapshot, checked_text(pb.TextQuery(text=text), TextLanguage.ENGLISH))
        assert (again[0] is masks[0]) == is_kept
    assert len(cache) == 3 * kept


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("runs", ["Running"]),
        ('"red shoes"', ["red", "shoe"]),
        ("sho*", ["shoes", "shoe", "shop"]),
        ("shqp~1", ["shop"]),
        ("dog", []),
    ],
)
def test_matched_words_are_marked(query: str, marked: list[str]) -> None:
    text = "Größe: Running shoes – the red shoe of a shop"
    highlighter = Highlighter(checked_text(pb.TextQuery(text=query), TextLanguage.ENGLISH))
    highlight = highlighter.highlight("text", text)
    if highlight is None:
        assert not marked
        return
    data = highlight.excerpt.encode()
    assert [data[mark.start : mark.end].decode() for mark in highlight.marked] == marked


@given(st.integers(0, 200), st.integers(0, 200))
def test_excerpts_are_short_and_hold_the_words(before: int, after: int) -> None:
    text = "wörd " * before + "red shoe" + " filler" * after
    highlight = Highlighter(checked_text(pb.TextQuery(text="red shoes"), TextLanguage.ENGLISH)).highlight("text", text)
    assert highlight is not None
    assert highlight.excerpt in text
    assert len(highlight.excerpt) <= EXCERPT_CHARACTERS
    data = highlight.excerpt.encode()
    assert [data[mark.start : mark.end] for mark in highlight.marked] == [b"red", b"shoe"]
