"""What `DescribeCollection` tells of a collection's fields and segments, and of this process."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sightwire.contracts.collections import CollectionRecord
from sightwire.segments.memory import VectorMemory
from sightwire.segments.reader import SegmentReader
from sightwire.segments.vector_indexes.kinds import IndexKind
from sightwire.v1 import searcher_pb2

#: Segments that are told of one by one.
MAX_SEGMENTS: Final = 100
_FLOAT_BYTES: Final = 4
_PROCESS_STATUS: Final = Path("/proc/self/status")
_PROCESS_SIZE: Final = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)


def field_statistics(record: CollectionRecord, readers: Sequence[SegmentReader]) -> list[searcher_pb2.FieldStatistics]:
    """The vectors of each field, over all segments."""
    return [_field(record, name, readers) for name in record.spec.fields]


def segment_statistics(
    readers: Sequence[SegmentReader], live_items: Sequence[int]
) -> list[searcher_pb2.SegmentStatistics]:
    """The `MAX_SEGMENTS` segments with the most items, largest first.

    Args:
        live_items: items of each segment that a search may find.
    """
    pairs = sorted(zip(readers, live_items, strict=True), key=lambda pair: (-pair[0].rows, pair[0].id))
    return [
        searcher_pb2.SegmentStatistics(
            id=reader.id,
            items=reader.rows,
            deleted_items=reader.rows - live,
            disk_bytes=reader.disk_bytes,
            kinds={name: field.kind for name, field in reader.fields.items() if field.rows},
        )
        for reader, live in pairs[:MAX_SEGMENTS]
    ]


def process_memory() -> searcher_pb2.ProcessMemory | None:
    """What of this process is in memory now; None where there is no `/proc` to tell it."""
    try:
        status = _PROCESS_STATUS.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    sizes = {name: int(kibibytes) * 1024 for name, kibibytes in _PROCESS_SIZE.findall(status)}
    return searcher_pb2.ProcessMemory(resident_bytes=sizes["VmRSS"], resident_file_bytes=sizes["RssFile"])


def _field(record: CollectionRecord, name: str, readers: Sequence[SegmentReader]) -> searcher_pb2.FieldStatistics:
    memory = VectorMemory()
    segments = Counter[IndexKind]()
    vectors = Counter[IndexKind]()
    for reader in readers:
        index = reader.fields[name]
        if index.rows:
            memory += index.memory
            segments[index.kind] += 1
            vectors[index.kind] += index.rows
    return searcher_pb2.FieldStatistics(
        field=name,
        vectors=memory.vectors,
        dimension=record.dimension(name),
        metric=record.spec.fields[name].metric,
        kinds=[
            searcher_pb2.IndexKindStatistics(kind=kind, segments=segments[kind], vectors=count)
            for kind, count in vectors.most_common()
        ],
        index_bytes=memory.index_bytes,
        mapped_vector_bytes=memory.mapped_vector_bytes,
        resident_bytes=memory.resident_bytes,
        resident_bytes_per_vector=memory.resident_bytes_per_vector,
        raw_bytes_per_vector=_FLOAT_BYTES * record.dimension(name),
    )
