"""Writes a segment folder: all of it, or nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sightwire.segments.atomic_folder import atomic_folder
from sightwire.segments.content import SegmentContent
from sightwire.segments.description import (
    DESCRIPTION_FILE,
    ITEMS_FILE,
    OBJECTS_FILE,
    TOMBSTONES_FILE,
    FieldDescription,
    SegmentDescription,
    describe_file,
)
from sightwire.segments.field_writing import write_fields
from sightwire.segments.mapped_table import write_table
from sightwire.segments.text.building import write_text_index
from sightwire.segments.vector_indexes.policy import IndexPolicy


@dataclass(frozen=True, slots=True)
class SegmentIdentity:
    """Which segment of which index."""

    id: str
    collection: str
    collection_uid: str
    generation: str


def write_segment(
    folder: Path, identity: SegmentIdentity, content: SegmentContent, *, indexes: IndexPolicy | None = None
) -> SegmentDescription:
    """Writes `content` as the new folder `folder`, flushed to disk.

    Args:
        indexes: None builds none; every field is searched exactly.

    Raises:
        FileExistsError: `folder` exists.
    """
    with atomic_folder(folder) as temporary:
        for name, table in (
            (ITEMS_FILE, content.items),
            (OBJECTS_FILE, content.objects),
            (TOMBSTONES_FILE, content.tombstones),
        ):
            if table.num_rows:
                write_table(temporary / name, table)
        fields = write_fields(temporary, content, indexes)
        text_files = write_text_index(temporary, content.items, content.objects, content.schema.language)
        description = _describe(identity, content, fields, text_files, temporary)
        (temporary / DESCRIPTION_FILE).write_text(description.model_dump_json(indent=1))
    return description


def _describe(
    identity: SegmentIdentity,
    content: SegmentContent,
    fields: tuple[FieldDescription, ...],
    text_files: tuple[str, ...],
    folder: Path,
) -> SegmentDescription:
    versions = pa.chunked_array([*content.items["version"].chunks, *content.tombstones["version"].chunks], pa.int64())
    version_range: Any = pc.min_max(versions).as_py()
    time_range: Any = pc.min_max(content.items["time"]).as_py()
    return SegmentDescription(
        id=identity.id,
        collection=identity.collection,
        collection_uid=identity.collection_uid,
        generation=identity.generation,
        created_at=datetime.now(UTC),
        rows=content.items.num_rows,
        objects=content.objects.num_rows,
        tombstones=content.tombstones.num_rows,
        min_version=version_range["min"],
        max_version=version_range["max"],
        min_time=time_range["min"],
        max_time=time_range["max"],
        metadata=dict(content.schema.metadata),
        language=content.schema.language,
        text_files=text_files,
        fields=fields,
        files=tuple(describe_file(path) for path in sorted(folder.iterdir())),
    )
