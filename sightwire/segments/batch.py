"""Turns items, as they come off the bus, into the columns of a segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from sightwire.errors import InvalidVectorError
from sightwire.segments.content import FieldContent, SegmentContent
from sightwire.segments.identifiers import hash_ids
from sightwire.segments.schema import (
    METADATA_PREFIX,
    OBJECTS_SCHEMA,
    TIMESTAMP,
    TOMBSTONES_SCHEMA,
    SegmentSchema,
    VectorColumn,
)
from sightwire.segments.vectors import storable_vectors


@dataclass(frozen=True, slots=True)
class IndexedObject:
    """A detected object; `box` is x1, y1, x2, y2 in pixels of the original image."""

    box: tuple[float, float, float, float]
    class_id: int
    class_name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class IndexedItem:
    """An item as the index stores it."""

    id: str
    version: int
    #: Microseconds since 1970 UTC.
    time: int
    #: The public item as JSON.
    document: bytes
    text: str | None = None
    has_image: bool = False
    tags: Sequence[str] = ()
    #: Declared metadata; datetimes as `datetime`.
    metadata: Mapping[str, object] = field(default_factory=dict)
    objects: Sequence[IndexedObject] = ()
    #: Little-endian float32 by field: one row, or for object fields one row per object in their order.
    vectors: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A deletion, kept so that an older version of the item that arrives later stays dead."""

    id: str
    version: int


def segment_content(
    items: Sequence[IndexedItem], tombstones: Sequence[Tombstone], schema: SegmentSchema
) -> SegmentContent:
    """Columns of a segment with `items` and `tombstones`, each with distinct ids, in any order.

    Raises:
        InvalidVectorError: a vector of wrong length or unusable values; the message names the item and the field.
        ValueError: an id occurs twice.
    """
    item_hashes = hash_ids([item.id for item in items])
    order = np.argsort(item_hashes, kind="stable")
    ordered = [items[position] for position in order.tolist()]
    _require_distinct([item.id for item in ordered], "item")
    return SegmentContent(
        schema=schema,
        items=_items_table(ordered, item_hashes[order], schema),
        objects=_objects_table(ordered),
        tombstones=_tombstones_table(tombstones),
        fields={column.name: _field_content(ordered, column) for column in schema.vectors},
    )


def best_confidences(objects: Sequence[IndexedObject]) -> dict[int, float]:
    """Best confidence of each class among an item's objects, by class id."""
    best: dict[int, float] = {}
    for detected in objects:
        if detected.confidence > best.get(detected.class_id, -1.0):
            best[detected.class_id] = detected.confidence
    return best


def _items_table(items: Sequence[IndexedItem], hashes: Any, schema: SegmentSchema) -> pa.Table:
    confidences = [best_confidences(item.objects) for item in items]
    columns: dict[str, Any] = {
        "id_hash": pa.array(hashes, type=pa.uint64()),
        "id": [item.id for item in items],
        "version": [item.version for item in items],
        "time": pa.array([item.time for item in items], type=pa.int64()).cast(TIMESTAMP),
        "has_image": [item.has_image for item in items],
        "text": [item.text for item in items],
        "tags": [list(item.tags) for item in items],
        "class_ids": [list(best) for best in confidences],
        "class_confidences": [list(best.values()) for best in confidences],
        "document": [item.document for item in items],
    }
    for name in schema.metadata:
        columns[METADATA_PREFIX + name] = [item.metadata.get(name) for item in items]
    arrow_schema = schema.items
    return pa.Table.from_arrays(
        [
            column if isinstance(column := columns[field_.name], pa.Array) else pa.array(column, type=field_.type)
            for field_ in arrow_schema
        ],
        schema=arrow_schema,
    )


def _objects_table(items: Sequence[IndexedItem]) -> pa.Table:
    objects = list(chain.from_iterable(item.objects for item in items))
    counts = np.fromiter((len(item.objects) for item in items), dtype=np.int64, count=len(items))
    boxes = np.array([detected.box for detected in objects], dtype=np.float32).reshape(-1)
    columns: dict[str, pa.Array[Any]] = {
        "item_row": pa.array(np.repeat(np.arange(len(items), dtype=np.uint32), counts)),
        "box": pa.FixedSizeListArray.from_arrays(pa.array(boxes), 4),
        "class_id": pa.array([detected.class_id for detected in objects], type=pa.int32()),
        "class_name": pa.array(
            [detected.class_name for detected in objects], type=OBJECTS_SCHEMA.field("class_name").type
        ),
        "confidence": pa.array([detected.confidence for detected in objects], type=pa.float32()),
    }
    return pa.Table.from_arrays([columns[field_.name] for field_ in OBJECTS_SCHEMA], schema=OBJECTS_SCHEMA)


def _tombstones_table(tombstones: Sequence[Tombstone]) -> pa.Table:
    hashes = hash_ids([tombstone.id for tombstone in tombstones])
    order = np.argsort(hashes, kind="stable")
    ordered = [tombstones[position] for position in order.tolist()]
    _require_distinct([tombstone.id for tombstone in ordered], "tombstone")
    return pa.Table.from_arrays(
        [
            pa.array(hashes[order], type=pa.uint64()),
            pa.array([tombstone.id for tombstone in ordered], type=pa.string()),
            pa.array([tombstone.version for tombstone in ordered], type=pa.int64()),
        ],
        schema=TOMBSTONES_SCHEMA,
    )


def _field_content(items: Sequence[IndexedItem], column: VectorColumn) -> FieldContent:
    """The vectors of one field, joined without going through Python numbers."""
    parts: list[bytes] = []
    owners: list[str] = []
    target_rows: list[int] = []
    first_object = 0
    for row, item in enumerate(items):
        vectors = item.vectors.get(column.name)
        expected_rows = len(item.objects) if column.per_object else 1
        if vectors is not None:
            if len(vectors) != 4 * column.dimension * expected_rows:
                raise InvalidVectorError(
                    f"item {item.id!r}: field {column.name!r} needs {expected_rows} vector(s) of {column.dimension} "
                    f"float32 numbers, got {len(vectors)} bytes"
                )
            parts.append(vectors)
            owners.extend([item.id] * expected_rows)
            first_row = first_object if column.per_object else row
            target_rows.extend(range(first_row, first_row + expected_rows))
        first_object += len(item.objects)
    matrix = np.frombuffer(b"".join(parts), dtype="<f4").reshape(-1, column.dimension)
    return FieldContent(
        matrix=storable_vectors(matrix, column.metric, lambda row: f"item {owners[row]!r}, field {column.name!r}"),
        target_rows=np.array(target_rows, dtype=np.uint32),
    )


def _require_distinct(ids: Sequence[str], what: str) -> None:
    if len(set(ids)) != len(ids):
        twice = next(item_id for position, item_id in enumerate(ids) if item_id in ids[:position])
        raise ValueError(f"a segment holds each {what} once, but {twice!r} occurs twice")
