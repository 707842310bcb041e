"""Writes the vector fields of a segment: vectors, their rows, their indexes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sightwire.contracts.collections import IndexParameters
from sightwire.segments.content import FieldContent, SegmentContent
from sightwire.segments.description import FieldDescription, IndexDescription
from sightwire.segments.schema import VectorColumn
from sightwire.segments.vector_file import map_vectors, write_vectors
from sightwire.segments.vector_indexes.kinds import IndexKind
from sightwire.segments.vector_indexes.opening import build_index
from sightwire.segments.vector_indexes.policy import IndexPolicy


def _target_count(content: SegmentContent, column: VectorColumn) -> int:
    rows: int = (content.objects if column.per_object else content.items).num_rows
    return rows


def write_fields(folder: Path, content: SegmentContent, indexes: IndexPolicy | None) -> tuple[FieldDescription, ...]:
    """Writes the vectors of all fields, then builds those indexes that there are side by side."""
    fields = [
        _write_field(folder, column, content.fields[column.name], _target_count(content, column))
        for column in content.schema.vectors
    ]
    if indexes is None:
        return tuple(fields)
    kinds = [indexes.kind_of(field.name, field.rows) for field in fields]
    wanted = sum(kind is not IndexKind.FLAT for kind in kinds)
    if not wanted:
        return tuple(fields)
    workers = min(wanted, indexes.threads)

    def indexed(field: FieldDescription, kind: IndexKind) -> FieldDescription:
        if kind is IndexKind.FLAT:
            return field
        return _with_index(folder, field, kind, indexes.parameters_of(field.name), threads=indexes.threads // workers)

    with ThreadPoolExecutor(workers, thread_name_prefix="index-build") as pool:
        return tuple(pool.map(indexed, fields, kinds))


def _with_index(
    folder: Path, field: FieldDescription, kind: IndexKind, parameters: IndexParameters, *, threads: int
) -> FieldDescription:
    assert field.vectors_file is not None, "only fields with vectors are indexed"
    vectors = map_vectors(folder / field.vectors_file, field.rows, field.dimension, field.metric)
    index = IndexDescription(file=f"index.{field.name}.faiss", kind=kind, parameters=parameters)
    build_index(folder / index.file, vectors, field.metric, kind, parameters, threads=threads)
    return field.model_copy(update={"index": index})


def _write_field(folder: Path, column: VectorColumn, content: FieldContent, targets: int) -> FieldDescription:
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
    return field.model_copy(update={"vectors_file": vectors_file, "rows_file": rows_file})
