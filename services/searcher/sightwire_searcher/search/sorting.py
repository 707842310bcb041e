"""Orders matching items by their values instead of by score.

Only the first of each segment are ever put in order: a partition by the first key leaves those that can be among them,
ties are partitioned by the next key, and what is left of all segments is sorted.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sightwire.contracts.collections import CollectionRecord
from sightwire.segments.mapped_table import numbers
from sightwire.segments.reader import SegmentReader
from sightwire.v1 import searcher_pb2
from sightwire_searcher.search.fusion import FusedItem, FusedRanking
from sightwire_searcher.search.matching import MatchingItems
from sightwire_searcher.search.query import ID, TIME, SortTarget
from sightwire_searcher.search.rankings import Found
from sightwire_searcher.search.value_fields import check_single_valued

MAX_KEYS: Final = 8

Rows = npt.NDArray[np.int64]


_BY_ID: Final = SortTarget(ID)


def checked_sort_key(key: searcher_pb2.SortKey, record: CollectionRecord) -> SortTarget:
    """What a sort key asks for.

    Raises:
        InvalidInputError: the collection has no such field, or it has lists of values.
    """
    check_single_valued(record, key.field, "sort by", built_in=(TIME, ID))
    return SortTarget(key.field, key.descending)


def sort_items(matching: Sequence[MatchingItems], keys: Sequence[SortTarget], depth: int) -> FusedRanking:
    """The first `depth` matching items in the order of `keys`, then of their ids; their scores are 0."""
    keys = _up_to_id(keys)
    candidates: list[tuple[Found, tuple[object, ...]]] = []
    for part in matching:
        reader = part.view.reader
        rows = _first_rows(reader, part.rows, keys, depth)
        columns = [_values(reader, key.field, rows) for key in keys]
        for row, item_id, *values in zip(rows.tolist(), reader.ids(rows), *columns, strict=True):
            candidates.append((Found(0.0, item_id, part.segment, row), tuple(values)))
    # Sorting is stable: by the least important key first.
    for number, key in reversed(list(enumerate(keys))):
        candidates.sort(key=lambda entry: _order(entry[1][number], key), reverse=key.descending)
    items = [FusedItem(found, ()) for found, _ in candidates[:depth]]
    return FusedRanking(items, complete=sum(len(part.rows) for part in matching) <= depth)


def _up_to_id(keys: Sequence[SortTarget]) -> list[SortTarget]:
    """The keys that matter: ids differ, so that nothing is left to decide after them."""
    for number, key in enumerate(keys):
        if key.field == ID:
            return list(keys[: number + 1])
    return [*keys, _BY_ID]


def _order(value: object, key: SortTarget) -> tuple[bool, Any]:
    """Puts what is absent last in either direction."""
    is_last = value is None
    return (not is_last if key.descending else is_last), value


def _first_rows(reader: SegmentReader, rows: Rows, keys: Sequence[SortTarget], count: int) -> Rows:
    """The first `count` of `rows` in the order of `keys`, themselves in any order; the last key is the id."""
    if len(rows) <= count:
        return rows
    if count == 0:
        return rows[:0]
    key, *rest = keys
    if key.field == ID:
        return _first_by_id(reader, rows, count, descending=key.descending)
    values, present = _sortable(reader, key.field, rows)
    present_rows, absent_rows = rows[present], rows[~present]
    if len(present_rows) <= count:
        absent = _first_rows(reader, absent_rows, rest, count - len(present_rows))
        return np.concatenate([present_rows, absent])
    values = values[present]
    if key.descending:
        # The complement reverses the order of integers without overflow.
        values = -values if values.dtype.kind == "f" else ~values
    last_kept = np.partition(values, count - 1)[count - 1]
    before = present_rows[values < last_kept]
    ties = _first_rows(reader, present_rows[values == last_kept], rest, count - len(before))
    return np.concatenate([before, ties])


def _first_by_id(reader: SegmentReader, rows: Rows, count: int, *, descending: bool) -> Rows:
    """`rows` has more than `count`."""
    ids = reader.items["id"].take(rows)
    pivot = len(rows) - count if descending else count
    order = pc.partition_nth_indices(ids, pivot=pivot).to_numpy()
    first: Rows = rows[order[pivot:] if descending else order[:pivot]]
    return first


def _sortable(reader: SegmentReader, field: str, rows: Rows) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Numbers in the order of the field's values, and whether there is a value; [rows] each."""
    if field == TIME:
        return reader.times[rows], np.ones(len(rows), dtype=np.bool_)
    column: Any = reader.metadata(field)
    if pa.types.is_dictionary(column.type):
        ranks = pc.rank(column.dictionary, sort_keys="ascending", tiebreaker="dense").to_numpy().astype(np.int64)
        codes = column.indices
        # The extra rank stands for rows without a value.
        ranks = np.append(ranks, 0)
        return ranks[codes.fill_null(len(ranks) - 1).to_numpy()[rows]], _present(codes, rows)
    present = _present(column, rows)
    if pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int64())
    return numbers(column.fill_null(0) if column.null_count else column)[rows], present


def _present(column: Any, rows: Rows) -> npt.NDArray[np.bool_]:
    present: npt.NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)[rows]
    return present


def _values(reader: SegmentReader, field: str, rows: Rows) -> list[object]:
    """Values of item rows that Python orders as the column does; None where there is none."""
    if field == ID:
        return list(reader.ids(rows))
    if field == TIME:
        return list(reader.times[rows].tolist())
    column = reader.metadata(field).take(rows)
    if pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    return list(column.to_pylist())
