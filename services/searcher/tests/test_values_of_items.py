"""Facets, orders and groups against naive ones over a dictionary of items."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sightwire_searcher.search.facets import checked_facet, count_values
from sightwire_searcher.search.fusion import FusedItem, FusedRanking
from sightwire_searcher.search.grouping import checked_group, find_groups, metadata_values
from sightwire_searcher.search.matching import matching_items
from sightwire_searcher.search.query import CheckedFilter, SortTarget
from sightwire_searcher.search.rankings import Found
from sightwire_searcher.search.requests import checked_filter
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.search.sorting import checked_sort_key, sort_items
from sightwire_searcher.selection_cache import SelectionCache
from sightwire_searcher.snapshot import SegmentView, Snapshot

from services.searcher.tests.building import (
    CLASS_NAMES,
    EPOCH,
    build_segment,
    collection_record,
    detected,
    indexed_item,
)
from sightwire.contracts.collections import MetadataType
from sightwire.errors import InvalidInputError
from sightwire.v1 import searcher_pb2 as pb

METADATA = {
    "shop": MetadataType.STRING,
    "count": MetadataType.INTEGER,
    "price": MetadataType.FLOAT,
    "sold": MetadataType.BOOLEAN,
    "seen": MetadataType.DATETIME,
    "colours": MetadataType.STRING_LIST,
}
WORDS = ["a", "b", "Ä", "", "zz"]
RECORD = collection_record(metadata=METADATA)

Thing = dict[str, Any]

moments = st.integers(-2, 2).map(lambda hours: EPOCH + timedelta(hours=hours))
metadata = st.fixed_dictionaries(
    {},
    optional={
        "shop": st.sampled_from(WORDS),
        "count": st.sampled_from([-(2**63), -1, 0, 1, 2**63 - 1]),
        "price": st.sampled_from([-0.5, 0.0, 0.1, 1e300]),
        "sold": st.booleans(),
        "seen": moments,
        "colours": st.lists(st.sampled_from(WORDS), max_size=3),
    },
)
things = st.fixed_dictionaries(
    {
        "time": moments,
        "tags": st.lists(st.sampled_from(WORDS), max_size=3),
        "classes": st.lists(st.integers(0, 3), max_size=3),
        "metadata": metadata,
        "deleted": st.booleans(),
        "has_words": st.booleans(),
    }
)
collections_of_things = st.lists(st.lists(things, max_size=10), min_size=1, max_size=3).map(
    lambda segments: [
        {f"item/{part}-{number} ä": thing for number, thing in enumerate(segment)}
        for part, segment in enumerate(segments)
    ]
)
filters = st.sampled_from(
    [
        None,
        pb.Filter(tags_any=pb.StringList(values=["a", "zz"])),
        pb.Filter(metadata_exists="shop"),
        pb.Filter(ids=pb.StringList(values=["nobody"])),
    ]
)
property_test = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def snapshot_of(segments: Sequence[dict[str, Thing]]) -> Iterator[Snapshot]:
    """Each dictionary of items as a segment, with the deleted ones marked."""
    with tempfile.TemporaryDirectory() as folder:
        views = []
        for things_ in segments:
            reader = build_segment(
                Path(folder),
                RECORD,
                [
                    indexed_item(
                        item_id,
                        time=thing["time"],
                        tags=thing["tags"],
                        metadata=thing["metadata"],
                        objects=[detected(class_id) for class_id in thing["classes"]],
                    )
                    for item_id, thing in things_.items()
                ],
            )
            live = np.array([not things_[item_id]["deleted"] for item_id in reader.ids(range(reader.rows))], dtype=bool)
            views.append(SegmentView(reader, "deletes", live) if not live.all() else SegmentView(reader))
        yield Snapshot(RECORD, None, tuple(views))


def word_masks(snapshot: Snapshot, items: dict[str, Thing]) -> list[np.ndarray]:
    return [
        np.array([items[item_id]["has_words"] for item_id in view.reader.ids(range(view.reader.rows))], dtype=bool)
        for view in snapshot.segments
    ]


def merged(segments: Sequence[dict[str, Thing]]) -> dict[str, Thing]:
    return {item_id: thing for segment in segments for item_id, thing in segment.items()}


def naive_matching(items: dict[str, Thing], filter_: pb.Filter | None, *, by_words: bool) -> dict[str, Thing]:
    def passes(thing: Thing) -> bool:
        match filter_.WhichOneof("condition") if filter_ is not None else None:
            case None:
                return True
            case "tags_any":
                return bool({"a", "zz"} & set(thing["tags"]))
            case "metadata_exists":
                return "shop" in thing["metadata"]
        return False

    return {
        item_id: thing
        for item_id, thing in items.items()
        if not thing["deleted"] and passes(thing) and (thing["has_words"] or not by_words)
    }


def checked(filter_: pb.Filter | None) -> CheckedFilter | None:
    return checked_filter(filter_, RECORD) if filter_ is not None else None


def naive_values(thing: Thing, field: str) -> set[Any]:
    if field == "_tags":
        return set(thing["tags"])
    if field == "_classes":
        return {CLASS_NAMES[class_id] for class_id in thing["classes"]}
    value = thing["metadata"].get(field)
    return set(value) if isinstance(value, list) else set() if value is None else {value}


@given(
    segments=collections_of_things,
    filter_=filters,
    by_words=st.booleans(),
    field=st.sampled_from(["shop", "count", "sold", "colours", "_tags", "_classes"]),
    limit=st.integers(1, 6),
)
@property_test
def test_facets_count_as_a_dictionary_would(
    segments: list[dict[str, Thing]], filter_: pb.Filter | None, by_words: bool, field: str, limit: int
) -> None:
    items = merged(segments)
    expected = Counter[Any]()
    values = [naive_values(thing, field) for thing in naive_matching(items, filter_, by_words=by_words).values()]
    for item_values in values:
        expected.update(item_values)
    top = sorted(expected.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]
    listed = {value for value, _ in top}

    with snapshot_of(segments) as snapshot:
        masks = word_masks(snapshot, items) if by_words else None
        matching = matching_items(snapshot, Selections(SelectionCache(10**6)), checked(filter_), masks)
        answer = count_values(matching, checked_facet(pb.FacetRequest(field=field, limit=limit), RECORD), RECORD)

    found = [(getattr(entry.value, entry.value.WhichOneof("kind") or ""), entry.count) for entry in answer.values]
    assert found == top
    assert [type(value) for value, _ in found] == [type(value) for value, _ in top]
    assert answer.missing == sum(not item_values for item_values in values)
    assert answer.others == sum(bool(item_values - listed) for item_values in values)


def naive_sort_value(item_id: str, thing: Thing, field: str) -> Any:
    return {"_time": thing["time"], "_id": item_id}.get(field, thing["metadata"].get(field))


def naively_sorted(items: dict[str, Thing], keys: Sequence[SortTarget]) -> list[str]:
    ordered = sorted(items)
    for key in reversed(keys):
        values = {item_id: naive_sort_value(item_id, items[item_id], key.field) for item_id in ordered}
        present = [item_id for item_id in ordered if values[item_id] is not None]
        absent = [item_id for item_id in ordered if values[item_id] is None]
        ordered = sorted(present, key=values.__getitem__, reverse=key.descending) + absent
    return ordered


sort_keys = st.lists(
    st.builds(SortTarget, st.sampled_from(["shop", "count", "price", "sold", "seen", "_time", "_id"]), st.booleans()),
    max_size=3,
)


@given(segments=collections_of_things, filter_=filters, keys=sort_keys, depth=st.integers(1, 30))
@property_test
def test_items_are_ordered_as_a_dictionary_would_be(
    segments: list[dict[str, Thing]], filter_: pb.Filter | None, keys: list[SortTarget], depth: int
) -> None:
    expected = naively_sorted(naive_matching(merged(segments), filter_, by_words=False), keys)
    with snapshot_of(segments) as snapshot:
        matching = matching_items(snapshot, Selections(SelectionCache(10**6)), checked(filter_))
        ranking = sort_items(matching, keys, depth)
    assert [item.found.item_id for item in ranking.items] == expected[:depth]
    assert ranking.complete == (len(expected) <= depth)


@given(
    values=st.lists(st.sampled_from(["x", "y", "z", None, "rare"]), max_size=40),
    k=st.integers(1, 4),
    offset=st.integers(0, 4),
    size=st.integers(1, 3),
)
def test_groups_are_the_best_of_each_value(values: list[str | None], k: int, offset: int, size: int) -> None:
    items = [FusedItem(Found(-float(row), f"i{row}", 0, row), ()) for row in range(len(values))]
    groups: dict[str | None, list[str]] = {}
    for item, value in zip(items, values, strict=True):
        groups.setdefault(value, []).append(item.found.item_id)
    expected = [(value, ids[:size]) for value, ids in groups.items()]

    page = find_groups(
        lambda depth: FusedRanking(items[:depth], complete=depth >= len(items)),
        lambda found: [values[item.row] for item in found],
        k=k,
        offset=offset,
        size=size,
    )

    answered = [(group.value, [item.found.item_id for item in group.items]) for group in page.groups]
    assert answered == expected[offset : offset + k]
    assert page.more == (len(expected) > offset + k)


def test_groups_are_looked_for_only_as_deep_as_needed() -> None:
    depths = []

    def rank(depth: int) -> FusedRanking:
        depths.append(depth)
        return FusedRanking([FusedItem(Found(0.0, f"i{row}", 0, row), ()) for row in range(depth)], complete=False)

    page = find_groups(rank, lambda found: [item.row % 5 for item in found], k=2, offset=0, size=1)
    assert (depths, [group.value for group in page.groups], page.more) == ([8], [0, 1], True)


def test_values_of_groups_come_from_the_segments() -> None:
    segment = {
        name: {
            "time": EPOCH,
            "tags": [],
            "classes": [],
            "metadata": {"shop": name} if name != "none" else {},
            "deleted": False,
        }
        for name in ("x", "y", "none")
    }
    with snapshot_of([segment, {"w": {**segment["x"], "metadata": {"shop": "w"}}}]) as snapshot:
        positions = snapshot.find(["y", "w", "none", "x"])
        found = [Found(0.0, "", position.segment, position.row) for position in positions if position is not None]
        assert metadata_values(snapshot, "shop")(found) == ["y", "w", None, "x"]


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: checked_facet(pb.FacetRequest(field="price"), RECORD), "is float, whose values are too many"),
        (lambda: checked_facet(pb.FacetRequest(field="seen"), RECORD), "is datetime, whose values are too many"),
        (lambda: checked_facet(pb.FacetRequest(field="nope"), RECORD), "no field 'nope' to count"),
        (lambda: checked_facet(pb.FacetRequest(field="shop", limit=1001), RECORD), "up to 1000 values, got 1001"),
        (lambda: checked_sort_key(pb.SortKey(field="colours"), RECORD), "lists of values"),
        (lambda: checked_sort_key(pb.SortKey(field="nope"), RECORD), "no field 'nope' to sort by"),
        (lambda: checked_group(pb.GroupBy(field="colours"), RECORD, k=1), "lists of values"),
        (lambda: checked_group(pb.GroupBy(field="_tags"), RECORD, k=1), "no field '_tags'"),
        (lambda: checked_group(pb.GroupBy(field="shop", size=101), RECORD, k=1), "up to 100 hits, got 101"),
        (lambda: checked_group(pb.GroupBy(field="shop", size=100), RECORD, k=1000), "10000 hits together"),
    ],
)
def test_what_cannot_be_answered_is_refused(check: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        check()
