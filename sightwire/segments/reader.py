"""Reads a segment: every column and vector is a view of a mapped file, so opening costs no more than checking it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sightwire.segments.description import (
    ITEMS_FILE,
    OBJECTS_FILE,
    TOMBSTONES_FILE,
    SegmentDescription,
    read_description,
    verify_files,
)
from sightwire.segments.id_lookup import IdLookup
from sightwire.segments.mapped_table import ByteValues, map_table, numbers
from sightwire.segments.memory import VectorMemory
from sightwire.segments.schema import METADATA_PREFIX, OBJECTS_SCHEMA, TOMBSTONES_SCHEMA, SegmentSchema
from sightwire.segments.selection import Selection
from sightwire.segments.text.text_index import TextIndex
from sightwire.segments.vector_index import SearchHits, VectorIndex
from sightwire.segments.vector_indexes.gpu import Gpu
from sightwire.segments.vectors import Matrix


class SegmentReader:
    """An open segment. Immutable and thread-safe; its memory is released when nobody refers to it or its views.

    Three kinds of rows occur: *item rows* (of `items`; ordered by `id_hashes`), *object rows* (of `objects`; those of
    an item are consecutive) and, inside a field, vector rows. Every method speaks of item rows, or for object fields
    of object rows; vector rows stay inside.

    Deletions are not part of a segment: combine the manifest's delete bitmap into the masks given to `select`.

    Example::

        segment = SegmentReader.open(folder)
        allowed = ~deleted                               # bool [segment.rows]
        selection = segment.select("image", allowed)     # keep it, one per filter
        hits = segment.search("image", queries, k=10, selection=selection)
        documents = segment.documents(hits.rows[0])
    """

    def __init__(self, folder: Path, description: SegmentDescription, description_sha256: str) -> None:
        """Maps the files of a segment; use `open`, which checks them first."""
        self.folder = folder
        self.description = description
        #: sha256 of `segment.json`, by which a manifest names the exact segment.
        self.description_sha256 = description_sha256
        self.schema: SegmentSchema = description.schema_
        #: Columns as `SegmentSchema.items` lists them.
        self.items: pa.RecordBatch = map_table(folder / ITEMS_FILE, self.schema.items, description.rows)
        #: Columns of `OBJECTS_SCHEMA`.
        self.objects: pa.RecordBatch = map_table(folder / OBJECTS_FILE, OBJECTS_SCHEMA, description.objects)
        #: Columns of `TOMBSTONES_SCHEMA`: deletions whose item may still arrive late, ordered by id hash.
        self.tombstones: pa.RecordBatch = map_table(folder / TOMBSTONES_FILE, TOMBSTONES_SCHEMA, description.tombstones)
        self._fields = {field.name: VectorIndex(folder, field) for field in description.fields}
        self._item_lookup = IdLookup(self.id_hashes, self.items["id"])
        self._tombstone_lookup = IdLookup(numbers(self.tombstones["id_hash"]), self.tombstones["id"])

    @classmethod
    def open(cls, folder: Path, *, verify: bool = True) -> SegmentReader:
        """Opens the segment in `folder`.

        Args:
            verify: compare the checksum of every file, which reads them all; sizes are always compared.

        Raises:
            CorruptDataError: a file is missing, or is not what `segment.json` says.
        """
        description, description_sha256 = read_description(folder)
        verify_files(folder, description, checksums=verify)
        return cls(folder, description, description_sha256)

    @property
    def id(self) -> str:
        return self.description.id

    @property
    def rows(self) -> int:
        """Number of items, deleted ones included."""
        return self.description.rows

    @property
    def fields(self) -> dict[str, VectorIndex]:
        """Vector fields by name."""
        return self._fields

    @cached_property
    def id_hashes(self) -> npt.NDArray[np.uint64]:
        """Hash of each item's id, ascending; uint64 [rows]."""
        return numbers(self.items["id_hash"])

    @cached_property
    def versions(self) -> npt.NDArray[np.int64]:
        """Version of each item; int64 [rows]."""
        return numbers(self.items["version"])

    @cached_property
    def times(self) -> npt.NDArray[np.int64]:
        """Time of each item in microseconds since 1970 UTC; int64 [rows]."""
        return numbers(self.items["time"])

    @cached_property
    def tombstone_versions(self) -> npt.NDArray[np.int64]:
        """Version of each deletion; int64 [tombstones]."""
        return numbers(self.tombstones["version"])

    def metadata(self, field: str) -> pa.Array[Any]:
        """Column of a metadata field, typed by the schema, null where an item has no value."""
        return self.items[METADATA_PREFIX + field]

    @cached_property
    def text(self) -> TextIndex | None:
        """Full-text index of the items; None for a segment without words.

        Raises:
            CorruptDataError: it cannot be opened.
        """
        description = self.description
        if not description.text_files:
            return None
        return TextIndex.open(self.folder, description.text_files, description.language, description.rows)

    def find_ids(self, ids: Sequence[str], hashes: npt.NDArray[np.uint64] | None = None) -> npt.NDArray[np.int64]:
        """Item rows of ids, deleted or not, -1 where the segment does not have the id; int64 [ids].

        Args:
            hashes: `hash_ids(ids)`, for callers that look into many segments.
        """
        return self._item_lookup.find(ids, hashes)

    def find_tombstones(
        self, ids: Sequence[str], hashes: npt.NDArray[np.uint64] | None = None
    ) -> npt.NDArray[np.int64]:
        """Rows of `tombstones`, -1 where the segment does not record a deletion of the id; int64 [ids]."""
        return self._tombstone_lookup.find(ids, hashes)

    def ids(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> list[str]:
        """Ids of item rows."""
        return [str(value, "utf-8") for value in self._id_values.views(rows)]

    def documents(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> list[bytes]:
        """Public JSON documents of item rows."""
        return [bytes(value) for value in self._document_values.views(rows)]

    @cached_property
    def _id_values(self) -> ByteValues:
        return ByteValues(self.items["id"])

    @cached_property
    def _document_values(self) -> ByteValues:
        return ByteValues(self.items["document"])

    @cached_property
    def object_item_rows(self) -> npt.NDArray[np.uint32]:
        """Item row of each object, ascending; uint32 [objects]. Indexing an item mask with it gives an object mask."""
        return numbers(self.objects["item_row"])

    @cached_property
    def boxes(self) -> Matrix:
        """x1, y1, x2, y2 of each object in pixels of the original image; float32 [objects, 4]."""
        return numbers(pc.list_flatten(self.objects["box"])).reshape(-1, 4)

    @cached_property
    def object_offsets(self) -> npt.NDArray[np.int64]:
        """Objects of item row r are object rows `object_offsets[r]` to `object_offsets[r + 1]`; int64 [rows + 1]."""
        return np.searchsorted(self.object_item_rows, np.arange(self.rows + 1, dtype=np.uint32)).astype(np.int64)

    def vectors(self, field: str) -> Matrix:
        """The stored vectors of a field, float32 [vectors, dimension], as a read-only view; normalised for cosine.

        `fields[field].target_rows()` tells whose they are.
        """
        return self._field(field).matrix

    def vector(self, field: str, row: int) -> Matrix | None:
        """The vector of an item row (object row for object fields), float32 [dimension]; None if it has none."""
        index = self._field(field)
        vector_row = int(index.vector_rows(np.array([row]))[0])
        return None if vector_row < 0 else index.matrix[vector_row]

    def select(self, field: str, allowed: npt.NDArray[np.bool_]) -> Selection:
        """A reusable selection from a mask over item rows (object rows for object fields); bool [rows]."""
        return self._field(field).select(allowed)

    def search(
        self,
        field: str,
        queries: npt.NDArray[np.generic],
        k: int,
        *,
        selection: Selection | None = None,
        ef_search: int = 64,
        exact: bool = False,
    ) -> SearchHits:
        """The `k` closest items (objects for object fields) per query; see `VectorIndex.search`."""
        return self._field(field).search(queries, k, selection=selection, ef_search=ef_search, exact=exact)

    @property
    def vector_memory(self) -> VectorMemory:
        """What the vectors of all fields and their indexes take."""
        return sum((field.memory for field in self._fields.values()), VectorMemory())

    @property
    def disk_bytes(self) -> int:
        """Bytes of the segment's files."""
        return self.description.disk_bytes

    @property
    def resident_bytes(self) -> int:
        """What must fit into memory for searches not to wait for the disk: all but vectors for re-ranking alone."""
        vector_files = frozenset[str]().union(*(field.vector_files for field in self._fields.values()))
        others = sum(file.bytes for file in self.description.files if file.name not in vector_files)
        return others + self.vector_memory.resident_bytes

    def warm(self) -> int:
        """Reads once what searches touch, so that the first queries do not wait for the disk; returns the bytes."""
        left_on_disk = frozenset[str]().union(*(field.files_of_rare_use for field in self._fields.values()))
        total = 0
        for file in self.description.files:
            if file.name in left_on_disk:
                continue
            for chunk in _chunks(self.folder / file.name):
                total += len(chunk)
        return total

    def copy_to(self, gpu: Gpu) -> None:
        """Lets a GPU do those searches in which it is quicker; before the first search."""
        for field in self._fields.values():
            field.copy_to(gpu)

    def _field(self, field: str) -> VectorIndex:
        index = self._fields.get(field)
        if index is None:
            raise KeyError(f"unknown vector field {field!r}; segment {self.id} has: {', '.join(self._fields)}")
        return index


def _chunks(path: Path, size: int = 1 << 22) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(size):
            yield chunk
