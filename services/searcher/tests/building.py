"""Makes segments for tests, with the segments library itself."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sightwire.contracts.collections import (
    CollectionRecord,
    CollectionSpec,
    MetadataField,
    MetadataType,
    Metric,
    VectorField,
    VectorSource,
)
from sightwire.contracts.names import FIRST_GENERATION
from sightwire.segments.batch import IndexedItem, IndexedObject, Tombstone, segment_content
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.reader import SegmentReader
from sightwire.segments.schema import SegmentSchema
from sightwire.segments.vector_indexes.policy import IndexPolicy
from sightwire.segments.writer import SegmentIdentity, write_segment

CLASS_NAMES = ("person", "dog", "cat", "cup")
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


def collection_record(
    name: str = "photos",
    *,
    fields: Mapping[str, VectorField] | None = None,
    metadata: Mapping[str, MetadataType] | None = None,
) -> CollectionRecord:
    """A record as the registry would hold it."""
    spec = CollectionSpec(
        name=name,
        fields=dict(fields or {"image": VectorField(source=VectorSource.USER, dimension=8)}),
        metadata={field: MetadataField(type=kind) for field, kind in (metadata or {}).items()},
    )
    return CollectionRecord(spec=spec, uid=uuid.uuid4().hex[:12], created_at=EPOCH, class_names=CLASS_NAMES)


def user_field(dimension: int = 8, metric: Metric = Metric.COSINE) -> VectorField:
    return VectorField(source=VectorSource.USER, dimension=dimension, metric=metric)


def object_field(dimension: int = 8, metric: Metric = Metric.COSINE) -> VectorField:
    return VectorField(source=VectorSource.OBJECT, dimension=dimension, metric=metric)


def microseconds(time: datetime) -> int:
    return round((time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)


def indexed_item(
    item_id: str,
    *,
    version: int = 1,
    time: datetime = EPOCH,
    vectors: Mapping[str, Any] | None = None,
    objects: Sequence[IndexedObject] = (),
    tags: Sequence[str] = (),
    metadata: Mapping[str, object] | None = None,
    has_image: bool = False,
) -> IndexedItem:
    """An item whose document names its id and version."""
    document = {"id": item_id, "version": version, "time": time.isoformat(), "tags": list(tags)}
    return IndexedItem(
        id=item_id,
        version=version,
        time=microseconds(time),
        document=orjson.dumps(document),
        has_image=has_image,
        tags=tags,
        metadata=metadata or {},
        objects=objects,
        vectors={
            field: np.ascontiguousarray(vector, dtype="<f4").tobytes() for field, vector in (vectors or {}).items()
        },
    )


def detected(class_id: int, confidence: float = 0.9) -> IndexedObject:
    return IndexedObject((1.0, 2.0, 30.0, 40.0), class_id, CLASS_NAMES[class_id], confidence)


def build_segment(
    folder: Path,
    record: CollectionRecord,
    items: Sequence[IndexedItem],
    *,
    tombstones: Sequence[Tombstone] = (),
    graph_min_rows: int | None = None,
    hurry: bool = False,
) -> SegmentReader:
    """Writes a segment below `folder` and opens it; `graph_min_rows` None for one without graph indexes."""
    segment_id = new_segment_id()
    write_segment(
        folder / segment_id,
        SegmentIdentity(segment_id, record.name, record.uid, FIRST_GENERATION),
        segment_content(items, tombstones, SegmentSchema.from_record(record)),
        indexes=None if graph_min_rows is None else IndexPolicy.of(record, min_rows=graph_min_rows, hurry=hurry),
    )
    return SegmentReader.open(folder / segment_id)
