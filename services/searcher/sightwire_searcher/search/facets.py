"""Counts how many items have each value of a field, exactly and over all segments.

A segment's column becomes pairs of an item row and the code of a value; counting codes is one pass of NumPy, and only
distinct values are put together across segments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sightwire.contracts.collections import CollectionRecord, MetadataType
from sightwire.errors import InvalidInputError
from sightwire.v1 import searcher_pb2
from sightwire_searcher.search.matching import MatchingItems
from sightwire_searcher.search.query import FacetTarget
from sightwire_searcher.search.value_fields import check_field
from sightwire_searcher.search.values import value_message

TAGS: Final = "_tags"
CLASSES: Final = "_classes"
_BUILT_IN: Final = (TAGS, CLASSES)
DEFAULT_VALUES: Final = 10
MAX_VALUES: Final = 1000
MAX_FACETS: Final = 16
_MARKS_PER_NUMBER: Final = 100
_COUNTED_TYPES: Final = frozenset(
    {MetadataType.STRING, MetadataType.INTEGER, MetadataType.BOOLEAN, MetadataType.STRING_LIST}
)


@dataclass(frozen=True, slots=True)
class _Occurrences:
    """Which item has which value; no pair occurs twice."""

    #: Positions among the segment's matching items; int64 [pairs].
    items: npt.NDArray[np.int64]
    #: Positions in `values`; int64 [pairs].
    codes: npt.NDArray[np.int64]
    #: Arrow array of the distinct values.
    values: Any
    #: Items without any value.
    missing: int


def checked_facet(request: searcher_pb2.FacetRequest, record: CollectionRecord) -> FacetTarget:
    """What a facet asks for.

    Raises:
        InvalidInputError: the collection has no such field, its values cannot be counted, or the limit is too high.
    """
    if request.limit > MAX_VALUES:
        raise InvalidInputError(f"a facet has up to {MAX_VALUES} values, got {request.limit} for {request.field!r}")
    check_field(record, request.field, "count", built_in=_BUILT_IN)
    if request.field not in _BUILT_IN:
        type_ = record.spec.metadata[request.field].type
        if type_ not in _COUNTED_TYPES:
            raise InvalidInputError(
                f"metadata field {request.field!r} is {type_.value}, whose values are too many to count; "
                "ask for facets of string, integer, boolean or string_list fields"
            )
    return FacetTarget(request.field, request.limit or DEFAULT_VALUES)


def count_values(matching: Sequence[MatchingItems], facet: FacetTarget, record: CollectionRecord) -> searcher_pb2.Facet:
    """The most frequent values of a field among matching items, then by value."""
    parts = [_occurrences(part, facet.field, record) for part in matching]
    values, counts = _most_frequent(parts, facet.limit)
    answer = searcher_pb2.Facet(
        field=facet.field,
        others=sum(_items_with_other_values(part, values) for part in parts),
        missing=sum(part.missing for part in parts),
    )
    for value, count in zip(values.to_pylist(), counts, strict=True):
        answer.values.add(value=value_message(value), count=count)
    return answer


def _most_frequent(parts: Sequence[_Occurrences], limit: int) -> tuple[Any, list[int]]:
    """Arrow array of values, and how many items have each."""
    tables = []
    for part in parts:
        counts = np.bincount(part.codes, minlength=len(part.values))
        tables.append(pa.table({"value": part.values, "count": counts.astype(np.int64)}))
    if not tables:
        return pa.array([], type=pa.string()), []
    totals = pa.concat_tables(tables).group_by("value").aggregate([("count", "sum")])
    totals = totals.filter(totals["count_sum"].to_numpy() > 0)
    order = pc.sort_indices(totals, sort_keys=[("count_sum", "descending"), ("value", "ascending")])
    top = totals.take(order[:limit])
    return top["value"].combine_chunks(), top["count_sum"].to_numpy().tolist()


def _items_with_other_values(part: _Occurrences, listed: Any) -> int:
    is_listed = pc.is_in(part.values, value_set=listed).to_numpy(zero_copy_only=False)
    items = part.items[~is_listed[part.codes]]
    # They ascend, so that each change is another item.
    return int(np.count_nonzero(items[1:] != items[:-1])) + 1 if len(items) else 0


def _occurrences(part: MatchingItems, field: str, record: CollectionRecord) -> _Occurrences:
    reader = part.view.reader
    if field == TAGS:
        return _of_lists(reader.items["tags"], part.rows)
    if field == CLASSES:
        by_id = _of_lists(reader.items["class_ids"], part.rows)
        names = [_class_name(class_id, record) for class_id in by_id.values.to_pylist()]
        return _Occurrences(by_id.items, by_id.codes, pa.array(names, type=pa.string()), by_id.missing)
    column = reader.metadata(field)
    return _of_lists(column, part.rows) if pa.types.is_list(column.type) else _of_scalars(column, part.rows)


def _class_name(class_id: int, record: CollectionRecord) -> str:
    return record.class_names[class_id] if class_id < len(record.class_names) else f"class {class_id}"


def _of_scalars(column: Any, rows: npt.NDArray[np.int64]) -> _Occurrences:
    codes, values = _coded(column)
    codes = codes[rows]
    items = np.flatnonzero(codes >= 0)
    return _Occurrences(items, codes[items], values, missing=len(rows) - len(items))


def _of_lists(lists: Any, rows: npt.NDArray[np.int64]) -> _Occurrences:
    offsets = lists.offsets.to_numpy().astype(np.int64)
    lengths = (offsets[1:] - offsets[:-1])[rows]
    items = np.repeat(np.arange(len(rows)), lengths)
    # Position of each element: where its list begins, and how far it is from there.
    before = np.cumsum(lengths) - lengths
    elements = np.arange(len(items)) - np.repeat(before - offsets[:-1][rows], lengths)
    codes, values = _coded(lists.values)
    distinct = max(len(values), 1)
    # A list may repeat a value; the item counts once.
    pairs = _distinct(items * distinct + codes[elements], below=len(rows) * distinct)
    return _Occurrences(pairs // distinct, pairs % distinct, values, missing=int(np.count_nonzero(lengths == 0)))


def _distinct(numbers: npt.NDArray[np.int64], *, below: int) -> npt.NDArray[np.int64]:
    """Each of `numbers`, which are from 0 to `below`, once and ascending; marks them where that beats sorting."""
    if below > _MARKS_PER_NUMBER * len(numbers):
        return np.unique(numbers)
    marks = np.zeros(below, dtype=np.bool_)
    marks[numbers] = True
    return np.flatnonzero(marks)


def _coded(column: Any) -> tuple[npt.NDArray[np.int64], Any]:
    """A code per value, -1 for none, int64 [rows]; and the Arrow array of the values that they are positions of."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    indices = encoded.indices
    if indices.null_count:
        indices = indices.fill_null(-1)
    return indices.to_numpy().astype(np.int64), encoded.dictionary
