"""Writes a segment folder: all of it, or nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sightwire.segments.atomic_folder import atomic_folder
from sightwire.segments.content import FieldContent, SegmentContent
from sightwire.segments.description import (
    DESCRIPTION_FILE,
    ITEMS_FILE,
    OBJECTS_FILE,
    TOMBSTONES_FILE,
    FieldDescription,
    GraphParameters,
    SegmentDescription,
    describe_file,
)
from sightwire.segments.graph import build_graph
from sightwire.segments.mapped_table import write_table
from sightwire.segments.schema import VectorColumn
from sightwire.segments.text.building import write_text_index
from sightwire.segments.vector_file import map_vectors, write_vectors


@dataclass(frozen=True, slots=True)
class SegmentIdentity:
    """Which segment of which index."""

    id: str
    collection: str
    collection_uid: str
    generation: str


@dataclass(frozen=True, slots=True)
class GraphPolicy:
    """Which fields get a graph index: those with at least `min_rows` vectors. Fewer are searched exactly.

    `threads` bounds the threads of the build.
    """

    parameters: GraphParameters
    min_rows: int
    threads: int = 1


def write_segment(
    folder: Path, identity: SegmentIdentity, content: SegmentContent, *, graphs: GraphPolicy | None = None
) -> SegmentDescription:
    """Writes `content` as the new folder `folder`, flushed to disk.

    Args:
        graphs: None builds no graph index.

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
        fields = tuple(
            _write_field(temporary, column, content.fields[column.name], _target_count(content, column), graphs)
            for column in content.schema.vectors
        )
        text_files = write_text_index(temporary, content.items, content.objects, content.schema.language)
        description = _describe(identity, content, fields, text_files, temporary)
        (temporary / DESCRIPTION_FILE).write_text(description.model_dump_json(indent=1))
    return description


def _target_count(content: SegmentContent, column: VectorColumn) -> int:
    rows: int = (content.objects if column.per_object else content.items).num_rows
    return rows


def _write_field(
    folder: Path, column: VectorColumn, content: FieldContent, targets: int, graphs: GraphPolicy | None
) -> FieldDescription:
    rows = len(content.matrix)
    field = FieldDescription(
        name=column.name,
        dimension=column.dimension,
        metric=column.metric,
        per_object=column.per_object,
        rows=rows,
    )
    if not rows:
        return field
    vectors_file = f"vectors.{column.name}.f32"
    write_vectors(folder / vectors_file, content.matrix, column.metric)
    rows_file = None
    # Target rows ascend strictly, so as many of them as there are targets can only be 0, 1, 2, …
    if rows != targets:
        rows_file = f"rows.{column.name}.npy"
        np.save(folder / rows_file, content.target_rows)
    graph_file = None
    if graphs is not None and rows >= graphs.min_rows:
        graph_file = f"graph.{column.name}.faiss"
        mapped = map_vectors(folder / vectors_file, rows, column.dimension, column.metric)
        build_graph(folder / graph_file, mapped, graphs.parameters, threads=graphs.threads)
    return field.model_copy(
        update={
            "vectors_file": vectors_file,
            "rows_file": rows_file,
            "graph_file": graph_file,
            "graph": graphs.parameters if graphs is not None and graph_file is not None else None,
        }
    )


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
