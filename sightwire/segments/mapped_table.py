"""Arrow IPC files with a single record batch, mapped into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt
import pyarrow as pa

from sightwire.errors import CorruptDataError


def write_table(path: Path, table: pa.Table) -> None:
    """Writes `table` as one record batch, so that readers get plain arrays and one dictionary a column."""
    batch = single_batch(table)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def single_batch(table: pa.Table) -> pa.RecordBatch:
    """The rows of `table` as one batch; dictionaries of its chunks are unified."""
    batches = table.unify_dictionaries().combine_chunks().to_batches()
    return batches[0] if batches else empty_batch(table.schema)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """A batch without rows."""
    return pa.RecordBatch.from_pylist([], schema=schema)


def map_table(path: Path, schema: pa.Schema, rows: int) -> pa.RecordBatch:
    """The record batch of a file; its buffers are views of the mapped file. A table without rows has no file.

    Raises:
        CorruptDataError: not an Arrow file of `schema` with `rows` rows.
    """
    if not rows:
        return empty_batch(schema)
    try:
        with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
            batch = reader.get_batch(0)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptDataError(f"{path} is not an Arrow file: {error}") from None
    if not batch.schema.equals(schema):
        raise CorruptDataError(f"{path} has columns\n{batch.schema}\nexpected\n{schema}")
    if batch.num_rows != rows:
        raise CorruptDataError(f"{path} has {batch.num_rows} rows, expected {rows}")
    return batch


def numbers(column: pa.Array[Any]) -> npt.NDArray[Any]:
    """A numeric column without nulls as a read-only array over its memory; timestamps become int64 microseconds."""
    if pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    return column.to_numpy(zero_copy_only=True)
