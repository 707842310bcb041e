"""Arrow IPC files with a single record batch, mapped into memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
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


class ByteValues:
    """Values of a string or binary column without nulls, a few rows at a time.

    Arrow's own `take` costs more to call than it costs to read ten values.
    """

    def __init__(self, column: pa.Array[Any]) -> None:
        is_large = pa.types.is_large_binary(column.type) or pa.types.is_large_string(column.type)
        _, offsets, data = column.buffers()
        # The buffers of an empty column may be missing.
        all_offsets = np.frombuffer(memoryview(offsets or bytes(8)), dtype=np.int64 if is_large else np.int32)
        self._offsets = all_offsets[column.offset : column.offset + len(column) + 1]
        self._data = memoryview(data or b"")

    def views(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> list[memoryview]:
        """The bytes of each row, in place."""
        indexes = np.asarray(rows, dtype=np.int64)
        starts, ends = self._offsets[indexes].tolist(), self._offsets[indexes + 1].tolist()
        return [self._data[start:end] for start, end in zip(starts, ends, strict=True)]
