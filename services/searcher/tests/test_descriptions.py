"""What a searcher tells of a collection's index."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sightwire_searcher.description import MAX_SEGMENTS, process_memory, segment_statistics

from services.searcher.tests.building import (
    build_segment,
    collection_record,
    detected,
    indexed_item,
    object_field,
    user_field,
)
from services.searcher.tests.conftest import CreateCollection, RunningSearcher
from sightwire.contracts.collections import IndexParameters, IndexType, Metric
from sightwire.v1 import searcher_pb2 as pb

DIMENSION = 16
ROWS = 1_200


async def test_fields_and_segments_are_described(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    quantized = IndexParameters(type=IndexType.HNSW_SQ)
    created = await create_collection(
        fields={
            "whole": user_field(DIMENSION, Metric.L2),
            "small": user_field(DIMENSION).model_copy(update={"index": quantized}),
            "object": object_field(DIMENSION),
        }
    )
    vectors = np.random.default_rng(1).standard_normal((ROWS, DIMENSION), dtype=np.float32)
    many = [
        indexed_item(f"item-{row}", vectors={"whole": vector, "small": vector}) for row, vector in enumerate(vectors)
    ]
    await created.writer.commit(many, graph_min_rows=1_000)
    few = [indexed_item(f"late-{row}", vectors={"whole": vectors[row]}) for row in range(3)]
    await created.writer.commit(few, deleted=["item-3", "item-4"])
    await searcher.has_announced(created.record, 2)

    described = await searcher.stub.DescribeCollection(pb.DescribeCollectionRequest(collection=created.record.name))

    assert (described.items, described.deleted_items, described.tombstones) == (ROWS + 1, 2, 0)
    whole, small, objects = described.fields
    assert [field.field for field in described.fields] == ["whole", "small", "object"]
    assert [(kind.kind, kind.segments, kind.vectors) for kind in whole.kinds] == [("hnsw", 1, ROWS), ("flat", 1, 3)]
    assert [(kind.kind, kind.segments, kind.vectors) for kind in small.kinds] == [("hnsw_sq", 1, ROWS)]
    assert (whole.vectors, whole.dimension, whole.metric) == (ROWS + 3, DIMENSION, "l2")
    assert whole.mapped_vector_bytes == 4 * DIMENSION * (ROWS + 3)
    assert whole.resident_bytes == whole.index_bytes + whole.mapped_vector_bytes
    assert small.resident_bytes == small.index_bytes > DIMENSION * ROWS
    assert small.resident_bytes_per_vector == pytest.approx(small.resident_bytes / ROWS)
    assert small.raw_bytes_per_vector == 4 * DIMENSION
    assert (objects.vectors, objects.resident_bytes_per_vector, list(objects.kinds)) == (0, 0, [])
    # Of the files only whole vectors that serve re-ranking alone may stay on disk.
    left_on_disk = described.disk_bytes - described.resident_bytes
    assert small.mapped_vector_bytes - ROWS <= left_on_disk <= small.mapped_vector_bytes + 64

    largest, smallest = described.largest_segments
    assert (largest.items, largest.deleted_items) == (ROWS, 2)
    assert dict(largest.kinds) == {"whole": "hnsw", "small": "hnsw_sq"}
    assert (smallest.items, smallest.deleted_items, dict(smallest.kinds)) == (3, 0, {"whole": "flat"})
    assert largest.disk_bytes + smallest.disk_bytes == described.disk_bytes


def test_the_largest_segments_are_listed_with_their_words(tmp_path: Path) -> None:
    record = collection_record()
    small = build_segment(tmp_path, record, [indexed_item("dog", objects=[detected(1)])])
    large = build_segment(tmp_path, record, [indexed_item("first"), indexed_item("second")])
    segments = segment_statistics([*[small] * MAX_SEGMENTS, large], [*[1] * MAX_SEGMENTS, 1])
    assert [(segment.items, segment.deleted_items) for segment in segments] == [(2, 1), *[(1, 0)] * (MAX_SEGMENTS - 1)]
    assert 0 < small.description.text_bytes < small.disk_bytes


async def test_a_collection_without_items_is_described(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    created = await create_collection()
    request = pb.DescribeCollectionRequest(collection=created.record.name)
    described = await searcher.stub.DescribeCollection(request)
    assert (described.items, described.resident_bytes, len(described.largest_segments)) == (0, 0, 0)
    assert [(field.field, field.vectors, field.dimension) for field in described.fields] == [("image", 0, 8)]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_pages_of_files_are_told_apart() -> None:
    before = process_memory()
    assert before is not None
    # So much that what else the process gives back meanwhile does not matter.
    anonymous = np.ones(128 << 20, dtype=np.uint8)
    after = process_memory()
    assert after is not None
    assert after.resident_bytes - before.resident_bytes > len(anonymous) // 2
    assert after.resident_file_bytes - before.resident_file_bytes < len(anonymous) // 2
