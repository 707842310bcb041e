"""Filters against a naive evaluation of the same tree, one item at a time."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sightwire_searcher.filters.checking import check_filter
from sightwire_searcher.filters.item_masks import item_mask
from sightwire_searcher.filters.object_masks import object_mask
from sightwire_searcher.filters.pruning import Coverage, TimeBounds, coverage

from services.searcher.tests.building import (
    CLASS_NAMES,
    EPOCH,
    build_segment,
    collection_record,
    indexed_item,
    microseconds,
    object_field,
)
from sightwire.contracts.collections import CollectionRecord, MetadataType
from sightwire.contracts.filters import Filter, Operator, filter_to_proto, parse_filter
from sightwire.segments.batch import IndexedObject

METADATA = {
    "shop": MetadataType.STRING,
    "count": MetadataType.INTEGER,
    "price": MetadataType.FLOAT,
    "sold": MetadataType.BOOLEAN,
    "seen": MetadataType.DATETIME,
    "colours": MetadataType.STRING_LIST,
}
WORDS = ["a", "b", "c", "Ä", "", "zz"]


@dataclass
class Thing:
    """An item as a naive evaluation sees it."""

    id: str
    tags: list[str] = field(default_factory=list)
    time: datetime = EPOCH
    metadata: dict[str, Any] = field(default_factory=dict)
    objects: list[tuple[int, float]] = field(default_factory=list)
    has_image: bool = False


def naive_item(filter_: Filter, thing: Thing) -> bool:
    if filter_.all is not None:
        return all(naive_item(part, thing) for part in filter_.all)
    if filter_.any is not None:
        return any(naive_item(part, thing) for part in filter_.any)
    if filter_.not_ is not None:
        return not naive_item(filter_.not_, thing)
    if filter_.tags_any is not None:
        return any(tag in thing.tags for tag in filter_.tags_any)
    if filter_.tags_all is not None:
        return all(tag in thing.tags for tag in filter_.tags_all)
    if filter_.time is not None:
        return (filter_.time.from_ is None or filter_.time.from_ <= thing.time) and (
            filter_.time.to is None or thing.time <= filter_.time.to
        )
    if filter_.metadata is not None:
        return naive_compare(filter_.metadata.op, thing.metadata.get(filter_.metadata.field), filter_.metadata.value)
    if filter_.metadata_in is not None:
        value = thing.metadata.get(filter_.metadata_in.field)
        wanted = filter_.metadata_in.values
        return (
            any(part in wanted for part in value) if isinstance(value, list) else value is not None and value in wanted
        )
    if filter_.metadata_exists is not None:
        return thing.metadata.get(filter_.metadata_exists) is not None
    if filter_.classes is not None:
        found = [naive_class(filter_, name, thing) for name in filter_.classes.names]
        return all(found) if filter_.classes.require_all else any(found)
    if filter_.ids is not None:
        return thing.id in filter_.ids
    return thing.has_image == filter_.has_image


def naive_class(filter_: Filter, name: str, thing: Thing) -> bool:
    return any(naive_object_class(filter_, {name}, part) for part in thing.objects)


def naive_object_class(filter_: Filter, names: set[str], part: tuple[int, float]) -> bool:
    class_id, confidence = part
    return CLASS_NAMES[class_id] in names and np.float32(confidence) >= np.float32(filter_.classes.min_confidence)


def naive_compare(operator: Operator, value: Any, constant: Any) -> bool:
    if value is None:
        return False
    if isinstance(value, list):
        return any(naive_compare(operator, part, constant) for part in value)
    return {
        Operator.EQ: value == constant,
        Operator.NE: value != constant,
        Operator.LT: value < constant,
        Operator.LTE: value <= constant,
        Operator.GT: value > constant,
        Operator.GTE: value >= constant,
    }[operator]


def naive_object(filter_: Filter, thing: Thing, part: tuple[int, float]) -> bool | None:
    """Whether an object of a matching item is a match; None where the filter asks for no classes."""
    if filter_.classes is not None:
        return naive_item(filter_, thing) and naive_object_class(filter_, set(filter_.classes.names), part)
    if filter_.all is not None:
        answers = [answer for inner in filter_.all if (answer := naive_object(inner, thing, part)) is not None]
        return naive_item(filter_, thing) and any(answers) if answers else None
    if filter_.any is not None:
        answers = [(inner, naive_object(inner, thing, part)) for inner in filter_.any]
        if all(answer is None for _, answer in answers):
            return None
        return any(naive_item(inner, thing) if answer is None else answer for inner, answer in answers)
    return None


times = st.integers(-3, 3).map(lambda hours: EPOCH + timedelta(hours=hours, microseconds=hours))
metadata_values: dict[str, st.SearchStrategy[Any]] = {
    "shop": st.sampled_from(WORDS),
    "count": st.integers(-2, 2) | st.sampled_from([2**63 - 1, -(2**63)]),
    "price": st.sampled_from([-0.5, 0.0, 0.1, 1.0, 1e300]),
    "sold": st.booleans(),
    "seen": times,
    "colours": st.lists(st.sampled_from(WORDS), max_size=3),
}
things = st.builds(
    Thing,
    id=st.sampled_from([f"item/{number} ä" for number in range(12)]),
    tags=st.lists(st.sampled_from(WORDS), max_size=4),
    time=times,
    metadata=st.fixed_dictionaries({}, optional=metadata_values),
    objects=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.1, 0.5, 0.9])), max_size=4),
    has_image=st.booleans(),
)


def _comparisons() -> st.SearchStrategy[dict[str, Any]]:
    def for_field(name: str) -> st.SearchStrategy[dict[str, Any]]:
        ordered = name not in ("sold", "colours")
        operators = st.sampled_from(list(Operator) if ordered else [Operator.EQ, Operator.NE])
        value = st.sampled_from(WORDS) if name == "colours" else metadata_values[name]
        comparison = st.fixed_dictionaries({"field": st.just(name), "op": operators, "value": value})
        membership = st.fixed_dictionaries({"field": st.just(name), "values": st.lists(value, min_size=1, max_size=3)})
        return (
            comparison.map(lambda part: {"metadata": part})
            | membership.map(lambda part: {"metadata_in": part})
            | st.just({"metadata_exists": name})
        )

    return st.sampled_from(list(METADATA)).flatmap(for_field)


words = st.lists(st.sampled_from([*WORDS, "unseen"]), min_size=1, max_size=3)
leaves = (
    words.map(lambda tags: {"tags_any": tags})
    | words.map(lambda tags: {"tags_all": tags})
    | times.map(lambda time: {"time": {"from": time}})
    | times.map(lambda time: {"time": {"to": time}})
    | st.tuples(times, times).map(lambda pair: {"time": {"from": min(pair), "to": max(pair)}})
    | _comparisons()
    | st.fixed_dictionaries(
        {
            "names": st.lists(st.sampled_from(CLASS_NAMES), min_size=1, max_size=3),
            "min_confidence": st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.95]),
            "require_all": st.booleans(),
        }
    ).map(lambda part: {"classes": part})
    | st.lists(st.sampled_from([f"item/{number} ä" for number in range(14)]), min_size=1, max_size=3).map(
        lambda ids: {"ids": ids}
    )
    | st.booleans().map(lambda flag: {"has_image": flag})
)
filters = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts})
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts})
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def record() -> CollectionRecord:
    return collection_record(fields={"object": object_field(dimension=2)}, metadata=METADATA)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@given(
    population=st.lists(things, max_size=8, unique_by=lambda thing: thing.id), documents=st.lists(filters, max_size=5)
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_masks_agree_with_a_naive_evaluation(
    population: list[Thing], documents: list[Any], record: CollectionRecord, folder: Path
) -> None:
    segment = build_segment(
        folder,
        record,
        [
            indexed_item(
                thing.id,
                time=thing.time,
                tags=thing.tags,
                metadata=thing.metadata,
                has_image=thing.has_image,
                objects=[
                    IndexedObject((0.0, 0.0, 1.0, 1.0), class_id, CLASS_NAMES[class_id], confidence)
                    for class_id, confidence in thing.objects
                ],
                vectors={"object": np.ones((len(thing.objects), 2))},
            )
            for thing in population
        ],
    )
    by_id = {thing.id: thing for thing in population}
    things_by_row = [by_id[item_id] for item_id in segment.ids(range(segment.rows))]
    for document in documents:
        filter_ = parse_filter(document)
        message = filter_to_proto(filter_, record)
        check_filter(message, record.spec)

        expected_items = [naive_item(filter_, thing) for thing in things_by_row]
        assert item_mask(segment, message).tolist() == expected_items

        expected_objects = [
            accepted if (answer := naive_object(filter_, thing, part)) is None else answer
            for thing, accepted in zip(things_by_row, expected_items, strict=True)
            for part in thing.objects
        ]
        assert object_mask(segment, message).tolist() == expected_objects

        if population:
            moments = [microseconds(thing.time) for thing in population]
            known = coverage(message, TimeBounds(first=min(moments), last=max(moments)))
            assert known is not Coverage.NONE or not any(expected_items)
            assert known is not Coverage.ALL or all(expected_items)
