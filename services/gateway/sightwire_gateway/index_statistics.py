"""What the searcher tells of an index, as answers show it; pure."""

from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.statistics import (
    FieldStatistics,
    IndexKindStatistics,
    IndexStatistics,
    ProcessMemory,
    SegmentStatistics,
)
from sightwire.v1 import searcher_pb2


def index_statistics(index: CollectionRecord, described: searcher_pb2.DescribeCollectionResponse) -> IndexStatistics:
    """The searcher's answer about an index as a model."""
    process = described.process
    return IndexStatistics(
        collection=index.users_name,
        generation=described.generation,
        manifest_version=described.manifest_version,
        items=described.items,
        deleted_items=described.deleted_items,
        tombstones=described.tombstones,
        checkpoint=described.checkpoint,
        segments=described.segments,
        disk_bytes=described.disk_bytes,
        resident_bytes=described.resident_bytes,
        text_bytes=described.text_bytes,
        fields=tuple(map(_field, described.fields)),
        largest_segments=tuple(map(_segment, described.largest_segments)),
        process=ProcessMemory(resident_bytes=process.resident_bytes, resident_file_bytes=process.resident_file_bytes)
        if described.HasField("process")
        else None,
    )


def empty_statistics(index: CollectionRecord, generation: str) -> IndexStatistics:
    """Of an index that no searcher has loaded yet."""
    return index_statistics(index, searcher_pb2.DescribeCollectionResponse(generation=generation))


def _field(field: searcher_pb2.FieldStatistics) -> FieldStatistics:
    return FieldStatistics(
        field=field.field,
        vectors=field.vectors,
        dimension=field.dimension,
        metric=field.metric,
        kinds=tuple(
            IndexKindStatistics(kind=kind.kind, segments=kind.segments, vectors=kind.vectors) for kind in field.kinds
        ),
        index_bytes=field.index_bytes,
        mapped_vector_bytes=field.mapped_vector_bytes,
        resident_bytes=field.resident_bytes,
        resident_bytes_per_vector=field.resident_bytes_per_vector,
        raw_bytes_per_vector=field.raw_bytes_per_vector,
    )


def _segment(segment: searcher_pb2.SegmentStatistics) -> SegmentStatistics:
    return SegmentStatistics(
        id=segment.id,
        items=segment.items,
        deleted_items=segment.deleted_items,
        disk_bytes=segment.disk_bytes,
        kinds=dict(segment.kinds),
    )
