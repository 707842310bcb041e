"""Makes one segment of several: live rows only, in the order of id hashes, with graphs where there is enough to search.

Nothing here goes row by row in Python. A merge holds the result's vectors in memory while it writes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sightwire.segments.content import FieldContent, SegmentContent
from sightwire.segments.deletes import deleted_mask
from sightwire.segments.id_lookup import IdLookup
from sightwire.segments.mapped_table import numbers, single_batch
from sightwire.segments.schema import SegmentSchema, VectorColumn
from sightwire.segments.version_index import LiveSegment

_NO_ROW = np.iinfo(np.uint32).max
Rows = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class _Source:
    """A segment being merged. The maps give a row's place in the result, `_NO_ROW` where it is left out."""

    segment: LiveSegment
    new_item_rows: Rows
    new_object_rows: Rows


def merged_content(
    segments: Sequence[LiveSegment], schema: SegmentSchema, *, drop_tombstones_up_to: int
) -> SegmentContent:
    """The live content of `segments` as one.

    Args:
        schema: that of all the segments.
        drop_tombstones_up_to: version up to which no change can arrive any more, so that its tombstones have done
            their work; 0 keeps all.
    """
    kept_items = [~deleted_mask(segment.deletes, segment.reader.rows) for segment in segments]
    items, new_item_rows = _merged_items(segments, kept_items, schema)
    objects, new_object_rows = _merged_objects(segments, new_item_rows)
    sources = [
        _Source(segment, item_rows, object_rows)
        for segment, item_rows, object_rows in zip(segments, new_item_rows, new_object_rows, strict=True)
    ]
    return SegmentContent(
        schema=schema,
        items=pa.Table.from_batches([items]),
        objects=objects,
        tombstones=_merged_tombstones(segments, items, drop_tombstones_up_to),
        fields={column.name: _merged_field(sources, column) for column in schema.vectors},
    )


def _merged_items(
    segments: Sequence[LiveSegment], kept: Sequence[npt.NDArray[np.bool_]], schema: SegmentSchema
) -> tuple[pa.RecordBatch, list[Rows]]:
    hashes = np.concatenate(
        [segment.reader.id_hashes[mask] for segment, mask in zip(segments, kept, strict=True)]
        or [np.empty(0, np.uint64)]
    )
    order = np.argsort(hashes, kind="stable")
    place = np.empty(len(order), dtype=np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    live = [
        pa.Table.from_batches([segment.reader.items]).take(np.flatnonzero(mask))
        for segment, mask in zip(segments, kept, strict=True)
    ]
    table = pa.concat_tables([schema.items.empty_table(), *live])
    return single_batch(pa.Table.from_batches([single_batch(table)]).take(order)), _maps(kept, place)


def _merged_objects(segments: Sequence[LiveSegment], new_item_rows: Sequence[Rows]) -> tuple[pa.Table, list[Rows]]:
    owners = [rows[segment.reader.object_item_rows] for segment, rows in zip(segments, new_item_rows, strict=True)]
    kept = [owner != _NO_ROW for owner in owners]
    new_owners = np.concatenate([owner[mask] for owner, mask in zip(owners, kept, strict=True)])
    # Stable, so that an item's objects keep their order.
    order = np.argsort(new_owners, kind="stable")
    place = np.empty(len(order), dtype=np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    live = [
        pa.Table.from_batches([segment.reader.objects]).take(np.flatnonzero(mask))
        for segment, mask in zip(segments, kept, strict=True)
    ]
    table = pa.Table.from_batches([single_batch(pa.concat_tables(live))]).take(order)
    position = table.schema.get_field_index("item_row")
    table = table.set_column(position, table.schema.field(position), pa.array(new_owners[order]))
    return table, _maps(kept, place)


def _maps(kept: Sequence[npt.NDArray[np.bool_]], place: Rows) -> list[Rows]:
    """Splits the places of all kept rows into one map per segment."""
    maps: list[Rows] = []
    start = 0
    for mask in kept:
        stop = start + int(np.count_nonzero(mask))
        new_rows = np.full(len(mask), _NO_ROW, dtype=np.uint32)
        new_rows[mask] = place[start:stop]
        maps.append(new_rows)
        start = stop
    return maps


def _merged_field(sources: Sequence[_Source], column: VectorColumn) -> FieldContent:
    new_target_rows: list[Rows] = []
    for source in sources:
        index = source.segment.reader.fields[column.name]
        new_rows = source.new_object_rows if column.per_object else source.new_item_rows
        new_target_rows.append(new_rows[index.target_rows()])
    kept = [rows != _NO_ROW for rows in new_target_rows]
    targets = np.concatenate([rows[mask] for rows, mask in zip(new_target_rows, kept, strict=True)])
    order = np.argsort(targets)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    matrix = np.empty((len(order), column.dimension), dtype=np.float32)
    start = 0
    for source, mask in zip(sources, kept, strict=True):
        stop = start + int(np.count_nonzero(mask))
        matrix[place[start:stop]] = source.segment.reader.vectors(column.name)[mask]
        start = stop
    return FieldContent(matrix=matrix, target_rows=targets[order])


def _merged_tombstones(segments: Sequence[LiveSegment], items: pa.RecordBatch, drop_up_to: int) -> pa.Table:
    """Of each id the tombstone with the highest version, unless it can have no effect any more."""
    table = pa.concat_tables([pa.Table.from_batches([segment.reader.tombstones]) for segment in segments])
    ids: list[Any] = table["id"].to_pylist()
    versions = table["version"].to_numpy()
    item_rows = IdLookup(numbers(items["id_hash"]), items["id"]).find(ids)
    item_versions = np.where(item_rows >= 0, numbers(items["version"])[item_rows], 0) if items.num_rows else 0
    effective = versions > np.maximum(item_versions, drop_up_to)
    best: dict[str, int] = {}
    for row in np.flatnonzero(effective).tolist():
        best_row = best.setdefault(ids[row], row)
        if versions[row] > versions[best_row]:
            best[ids[row]] = row
    rows = np.fromiter(best.values(), dtype=np.int64, count=len(best))
    return table.take(rows[np.argsort(table["id_hash"].to_numpy()[rows], kind="stable")])
