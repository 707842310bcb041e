"""Turns a message of EMBEDDED into changes of an index, and says what of it can never be indexed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np
from google.protobuf.message import DecodeError

from sightwire.contracts.collections import Metric
from sightwire.errors import InvalidInputError, InvalidVectorError
from sightwire.segments.batch import IndexedItem, IndexedObject
from sightwire.segments.resolution import Change
from sightwire.segments.schema import SegmentSchema, VectorColumn
from sightwire.segments.vectors import is_storable
from sightwire.v1 import events_pb2
from sightwire_indexer.documents import metadata_columns, microseconds, public_document, stored_metadata

_MAX_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_MIN_TIME: Final = datetime(1, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Rejection:
    """An item of a message that cannot be indexed."""

    id: str
    version: int
    reason: str


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """What one message asks of an index."""

    changes: list[Change] = field(default_factory=list)
    #: Trace context of the items' embedding, by position in `changes`; empty when not sampled.
    traceparents: list[str] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    #: The rejected items as a message of their own, for the dead-letter queue; the whole message if it is unreadable.
    rejected_payload: bytes = b""
    #: Why nothing of the message can be used; None when it can be read.
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """The index that messages are decoded for."""

    collection: str
    collection_uid: str
    space: str
    schema: SegmentSchema


def decode_batch(payload: bytes, target: IndexTarget) -> DecodedBatch:
    """Changes of one `EmbeddedBatch`; none for a batch of another incarnation of the collection."""
    try:
        batch = events_pb2.EmbeddedBatch.FromString(payload)
    except DecodeError as error:
        return DecodedBatch(unreadable=f"not an EmbeddedBatch: {error}", rejected_payload=payload)
    if not batch.collection or not batch.collection_uid:
        return DecodedBatch(
            unreadable="an EmbeddedBatch needs 'collection' and 'collection_uid'", rejected_payload=payload
        )
    if batch.collection != target.collection:
        return DecodedBatch(
            unreadable=f"a batch of collection {batch.collection!r} on the subject of {target.collection!r}",
            rejected_payload=payload,
        )
    if batch.collection_uid != target.collection_uid:
        return DecodedBatch()
    if batch.space != target.space:
        return DecodedBatch(
            unreadable=f"vectors of space {batch.space!r}, but the live generation is of space {target.space!r}",
            rejected_payload=payload,
        )
    return _decode_items(batch, target)


def _decode_items(batch: events_pb2.EmbeddedBatch, target: IndexTarget) -> DecodedBatch:
    decoded = DecodedBatch()
    rejected: list[events_pb2.EmbeddedItem] = []
    for item in batch.items:
        try:
            change = decode_item(item, target.schema)
        except InvalidInputError as error:
            decoded.rejections.append(Rejection(item.item_id, item.version, error.detail))
            rejected.append(item)
        else:
            decoded.changes.append(change)
            decoded.traceparents.append(item.traceparent)
    if not rejected:
        return decoded
    remainder = events_pb2.EmbeddedBatch(
        collection=batch.collection, collection_uid=batch.collection_uid, space=batch.space, items=rejected
    )
    return DecodedBatch(
        decoded.changes, decoded.traceparents, decoded.rejections, rejected_payload=remainder.SerializeToString()
    )


def decode_item(item: events_pb2.EmbeddedItem, schema: SegmentSchema) -> Change:
    """The change that an embedded item asks for.

    Raises:
        InvalidInputError: it has no id or version, or something in it does not fit the schema.
    """
    if not item.item_id:
        raise InvalidInputError("an item needs an 'item_id'")
    if not 0 < item.version < 2**63:
        raise InvalidInputError(f"item {item.item_id!r} needs a version from 1 to 2^63 - 1, got {item.version}")
    if item.deleted:
        return Change(item.item_id, item.version, item=None)
    if not _MIN_TIME <= item.time.seconds <= _MAX_TIME:
        raise InvalidInputError(f"item {item.item_id!r}: its time is outside of the years 1 to 9999")
    metadata = stored_metadata(item)
    indexed = IndexedItem(
        id=item.item_id,
        version=item.version,
        time=microseconds(item.time),
        document=public_document(item, metadata),
        text=item.text or None,
        has_image=item.HasField("picture"),
        tags=list(item.tags),
        metadata=metadata_columns(metadata, schema.metadata),
        objects=[
            IndexedObject(
                (detection.x1, detection.y1, detection.x2, detection.y2),
                detection.class_id,
                detection.class_name,
                detection.confidence,
            )
            for detection in item.objects
        ],
        vectors=_vectors(item, schema),
    )
    return Change(item.item_id, item.version, indexed)


def _vectors(item: events_pb2.EmbeddedItem, schema: SegmentSchema) -> Mapping[str, bytes]:
    columns = {column.name: column for column in schema.vectors}
    vectors: dict[str, bytes] = {}
    for field_vectors in item.vectors:
        column = columns.get(field_vectors.field)
        if column is None:
            raise InvalidVectorError(
                f"item {item.item_id!r} has vectors of an unknown field {field_vectors.field!r} "
                f"(the collection has: {', '.join(columns)})"
            )
        _check_vectors(item, column, field_vectors)
        vectors[column.name] = field_vectors.matrix.data
    return vectors


def _check_vectors(item: events_pb2.EmbeddedItem, column: VectorColumn, field_vectors: events_pb2.FieldVectors) -> None:
    data = field_vectors.matrix.data
    expected_rows = len(item.objects) if column.per_object else 1
    if len(data) != 4 * expected_rows * column.dimension:
        raise InvalidVectorError(
            f"item {item.item_id!r}: field {column.name!r} needs {expected_rows} vector(s) of {column.dimension} "
            f"float32 numbers, got {len(data)} bytes"
        )
    matrix = np.frombuffer(data, dtype="<f4").reshape(expected_rows, column.dimension)
    if not all(is_storable(vector, column.metric) for vector in matrix):
        needed = "finite and not all zero" if column.metric is Metric.COSINE else "finite and of a finite length"
        raise InvalidVectorError(f"item {item.item_id!r}: each vector of field {column.name!r} must be {needed}")
