"""An index of any size without ingesting it: written with the segments library, as a merge would have left it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sightwire.blobs import open_blob_store
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.contracts.collections import (
    CollectionRecord,
    CollectionSpec,
    IndexParameters,
    MetadataField,
    MetadataType,
    Metric,
    VectorField,
)
from sightwire.contracts.names import FIRST_GENERATION
from sightwire.contracts.streams import EMBEDDED
from sightwire.platform.running_platform import RunningPlatform
from sightwire.segments.batch import IndexedItem, segment_content
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Checkpoint, Manifest
from sightwire.segments.manifest_store import ManifestStore
from sightwire.segments.reader import SegmentReader
from sightwire.segments.schema import SegmentSchema
from sightwire.segments.vector_file import MappedVectors, map_vectors
from sightwire.segments.vector_indexes.hnsw import open_graph
from sightwire.segments.vector_indexes.policy import IndexPolicy
from sightwire.segments.vectors import Matrix
from sightwire.segments.writer import SegmentIdentity, write_segment

FIELD = "embedding"
#: Metadata field to filter by.
BUCKET = "bucket"
_BUILD_THREADS = 2
_DEFAULT_INDEX = IndexParameters()


@dataclass(frozen=True, slots=True)
class WrittenIndex:
    """A collection with one segment."""

    record: CollectionRecord
    segment: SegmentReader

    def plain_graph(self) -> "PlainGraph":
        """Its graph as plain FAISS sees it; of an index of type `hnsw`."""
        field = self.segment.fields[FIELD].description
        assert field.vectors_file is not None, "every item has a vector"
        assert field.index is not None, "the segment is written with a graph"
        folder = self.segment.folder
        vectors = map_vectors(folder / field.vectors_file, field.rows, field.dimension, field.metric)
        return PlainGraph(open_graph(folder / field.index.file, vectors), vectors)


@dataclass(frozen=True, slots=True)
class PlainGraph:
    """FAISS's HNSW index over the same memory-mapped files that the searcher has; it reads the memory of `vectors`."""

    index: Any
    vectors: MappedVectors


def clustered_vectors(count: int, dimension: int, *, clusters: int, seed: int) -> Matrix:
    """Unit vectors around `clusters` centres, as those of a model are; float32 [count, dimension]."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((clusters, dimension), dtype=np.float32)
    vectors = centres[rng.integers(0, clusters, count)] + rng.standard_normal((count, dimension), dtype=np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


async def write_index(
    platform: RunningPlatform,
    bus: Bus,
    name: str,
    vectors: Matrix,
    *,
    buckets: npt.NDArray[np.int64] | None = None,
    texts: Sequence[str] | None = None,
    index: IndexParameters = _DEFAULT_INDEX,
) -> WrittenIndex:
    """Writes the index of a new collection of unit vectors, and then registers the collection.

    Ids are the row numbers of `vectors`; `buckets` (int64, one per vector) become the metadata field `BUCKET`. Without
    `texts` there is nothing for full-text search but two tags.
    """
    field = VectorField(dimension=vectors.shape[1], metric=Metric.COSINE)
    record = CollectionRecord(
        spec=CollectionSpec(
            name=name,
            fields={FIELD: field},
            metadata={BUCKET: MetadataField(type=MetadataType.INTEGER)},
            index=index,
        ),
        uid="written",
        created_at=datetime.now(UTC),
    )
    blobs = open_blob_store(str(platform.data.blobs))
    layout = IndexLayout.of(record)
    depot = SegmentDepot(blobs, layout, platform.data.cache / "bench")
    segment_id = new_segment_id()
    await asyncio.to_thread(_write_segment, depot, segment_id, record, _items(vectors, buckets, texts))
    entry = await depot.publish(segment_id)
    stream = await bus.jetstream.stream_info(EMBEDDED.name)
    assert stream.created is not None, "the server tells when a stream was created"
    manifest = Manifest(
        version=1,
        collection=name,
        collection_uid=record.uid,
        generation=FIRST_GENERATION,
        space=record.space,
        created_at=datetime.now(UTC),
        checkpoint=Checkpoint(sequence=0, stream_created_at=stream.created),
        segments=(entry,),
        index=record.spec.index,
    )
    await ManifestStore(blobs, layout).commit(manifest)
    await CollectionRegistry(bus).create(record)
    segment = await depot.open(entry, verify=False)
    return WrittenIndex(record, segment)


def _write_segment(
    depot: SegmentDepot, segment_id: str, record: CollectionRecord, items: Sequence[IndexedItem]
) -> None:
    write_segment(
        depot.folder(segment_id),
        SegmentIdentity(segment_id, record.name, record.uid, FIRST_GENERATION),
        segment_content(items, (), SegmentSchema.from_record(record)),
        indexes=IndexPolicy.of(record, min_rows=1, threads=_BUILD_THREADS),
    )


def _items(vectors: Matrix, buckets: npt.NDArray[np.int64] | None, texts: Sequence[str] | None) -> list[IndexedItem]:
    bucket_of_each = buckets.tolist() if buckets is not None else [0] * len(vectors)
    text_of_each = texts if texts is not None else [None] * len(vectors)
    rows = zip(vectors, bucket_of_each, text_of_each, strict=True)
    return [_item(number, vector, bucket, text) for number, (vector, bucket, text) in enumerate(rows)]


def _item(number: int, vector: Matrix, bucket: int, text: str | None) -> IndexedItem:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    tags = ["even"] if number % 2 == 0 else ["odd"]
    document = {
        "id": str(number),
        "version": number + 1,
        "time": moment.isoformat(),
        "tags": tags,
        "metadata": {BUCKET: bucket, "shop": f"shop {number % 100}"},
        "text": text or f"The {number}th of many items, with a description of about the length that captions have",
    }
    return IndexedItem(
        id=str(number),
        version=number + 1,
        time=int(moment.timestamp()) * 1_000_000,
        document=orjson.dumps(document),
        text=text,
        tags=tags,
        metadata={BUCKET: bucket},
        vectors={FIELD: vector.tobytes()},
    )
