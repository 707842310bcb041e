"""Columns of a segment: what a collection's record means as Arrow schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

from sightwire.contracts.collections import CollectionRecord, MetadataType, Metric, TextLanguage, VectorSource

#: Metadata columns are prefixed, so that a user's field name never meets a column of ours.
METADATA_PREFIX: Final = "metadata."

TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
#: Strings that repeat: filters compare the dictionary's few values instead of every row.
REPEATED_STRING: Final = pa.dictionary(pa.int32(), pa.string())

_METADATA_TYPES: Final[Mapping[MetadataType, pa.DataType]] = MappingProxyType(
    {
        MetadataType.STRING: REPEATED_STRING,
        MetadataType.INTEGER: pa.int64(),
        MetadataType.FLOAT: pa.float64(),
        MetadataType.BOOLEAN: pa.bool_(),
        MetadataType.DATETIME: TIMESTAMP,
        MetadataType.STRING_LIST: pa.list_(REPEATED_STRING),
    }
)

_OBJECT_COLUMNS: Final[list[pa.Field[Any]]] = [
    # Row of the object's item; ascending, so that an item's objects are one slice.
    pa.field("item_row", pa.uint32(), nullable=False),
    # x1, y1, x2, y2 in pixels of the original image.
    pa.field("box", pa.list_(pa.float32(), 4), nullable=False),
    pa.field("class_id", pa.int32(), nullable=False),
    pa.field("class_name", REPEATED_STRING, nullable=False),
    pa.field("confidence", pa.float32(), nullable=False),
]
OBJECTS_SCHEMA: Final = pa.schema(_OBJECT_COLUMNS)

_TOMBSTONE_COLUMNS: Final[list[pa.Field[Any]]] = [
    pa.field("id_hash", pa.uint64(), nullable=False),
    pa.field("id", pa.string(), nullable=False),
    pa.field("version", pa.int64(), nullable=False),
]
TOMBSTONES_SCHEMA: Final = pa.schema(_TOMBSTONE_COLUMNS)


@dataclass(frozen=True, slots=True)
class VectorColumn:
    """A vector field: one vector per item, or one per object when `per_object`."""

    name: str
    dimension: int
    metric: Metric
    per_object: bool = False


@dataclass(frozen=True, slots=True)
class SegmentSchema:
    """Vector fields, metadata fields and language of all segments of a collection."""

    vectors: tuple[VectorColumn, ...]
    metadata: Mapping[str, MetadataType]
    language: TextLanguage = TextLanguage.ENGLISH

    @classmethod
    def from_record(cls, record: CollectionRecord) -> SegmentSchema:
        """The schema of a collection."""
        return cls(
            vectors=tuple(
                VectorColumn(
                    name=name,
                    dimension=record.dimension(name),
                    metric=field.metric,
                    per_object=field.source is VectorSource.OBJECT,
                )
                for name, field in record.spec.fields.items()
            ),
            metadata={name: field.type for name, field in record.spec.metadata.items()},
            language=record.spec.language,
        )

    def vector(self, field: str) -> VectorColumn:
        """The vector field called `field`.

        Raises:
            KeyError: there is none.
        """
        for column in self.vectors:
            if column.name == field:
                return column
        known = ", ".join(column.name for column in self.vectors)
        raise KeyError(f"unknown vector field {field!r}; the segment has: {known}")

    @property
    def items(self) -> pa.Schema:
        """Arrow schema of `items.arrow`."""
        columns: list[pa.Field[Any]] = [
            # Ascending: rows are ordered by the hash of their id, so that it is the id lookup's search tree too.
            pa.field("id_hash", pa.uint64(), nullable=False),
            pa.field("id", pa.string(), nullable=False),
            pa.field("version", pa.int64(), nullable=False),
            pa.field("time", TIMESTAMP, nullable=False),
            pa.field("has_image", pa.bool_(), nullable=False),
            pa.field("text", pa.large_string()),
            pa.field("tags", pa.list_(REPEATED_STRING), nullable=False),
            # Distinct classes of the item's objects, and the best confidence of each, in the same order.
            pa.field("class_ids", pa.list_(pa.int32()), nullable=False),
            pa.field("class_confidences", pa.list_(pa.float32()), nullable=False),
            *(pa.field(METADATA_PREFIX + name, _METADATA_TYPES[kind]) for name, kind in self.metadata.items()),
            # The public item as JSON; see sightwire/contracts/documents.py.
            pa.field("document", pa.large_binary(), nullable=False),
        ]
        return pa.schema(columns)
