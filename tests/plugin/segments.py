"""Items and segments for tests of the index."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sightwire.contracts.collections import MetadataType, Metric
from sightwire.segments.batch import IndexedItem, IndexedObject, Tombstone, segment_content
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.reader import SegmentReader
from sightwire.segments.schema import SegmentSchema, VectorColumn
from sightwire.segments.vector_indexes.policy import IndexPolicy
from sightwire.segments.writer import SegmentIdentity, write_segment

SCHEMA = SegmentSchema(
    vectors=(
        VectorColumn("image", 8, Metric.COSINE),
        VectorColumn("object", 8, Metric.COSINE, per_object=True),
        VectorColumn("place", 2, Metric.L2),
        VectorColumn("taste", 4, Metric.DOT),
    ),
    metadata={
        "shop": MetadataType.STRING,
        "stock": MetadataType.INTEGER,
        "price": MetadataType.FLOAT,
        "sold": MetadataType.BOOLEAN,
        "made": MetadataType.DATETIME,
        "colours": MetadataType.STRING_LIST,
    },
)


def vector(rng: np.random.Generator, *shape: int) -> bytes:
    return rng.standard_normal(shape, dtype=np.float32).tobytes()


def item(item_id: str, version: int = 1, **members: Any) -> IndexedItem:
    """An item with an image vector; `members` override or add."""
    rng = np.random.default_rng(abs(hash((item_id, version))))
    defaults: dict[str, Any] = {
        "time": 1_700_000_000_000_000 + version,
        "document": orjson.dumps({"id": item_id, "version": version}),
        "vectors": {"image": vector(rng, 8)},
    }
    return IndexedItem(id=item_id, version=version, **{**defaults, **members})


def detected(class_id: int = 0, confidence: float = 0.5) -> IndexedObject:
    return IndexedObject((1.0, 2.0, 30.5, 40.25), class_id, f"class-{class_id}", confidence)


def identity(segment_id: str | None = None) -> SegmentIdentity:
    return SegmentIdentity(
        id=segment_id or new_segment_id(), collection="photos", collection_uid="uid", generation="first"
    )


def make_segment(
    parent: Path,
    items: Sequence[IndexedItem],
    tombstones: Sequence[Tombstone] = (),
    *,
    schema: SegmentSchema = SCHEMA,
    indexes: IndexPolicy | None = None,
) -> SegmentReader:
    identity_ = identity()
    folder = parent / identity_.id
    write_segment(folder, identity_, segment_content(items, tombstones, schema), indexes=indexes)
    return SegmentReader.open(folder)
