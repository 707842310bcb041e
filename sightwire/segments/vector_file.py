"""The vectors of a field on disk: one copy that serves NumPy, flat search and the graph index alike.

Layout: a preamble of 64 bytes that ends with the header of a FAISS flat index, then float32 little-endian rows. FAISS
reads header and rows in place from the mapped file (zero-copy), and because the rows begin at a multiple of 64 bytes,
NumPy sees them as an aligned matrix. Nothing of it is loaded before it is touched.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from sightwire.contracts.collections import Metric
from sightwire.errors import CorruptDataError
from sightwire.segments.vectors import Matrix

_PREAMBLE_BYTES: Final = 64
# Fields of the serialised flat index: fourcc, dimension (int32), vectors (int64), …, floats that follow (uint64).
_VECTOR_COUNT_OFFSET: Final = 8
_FLOAT_COUNT_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class MappedVectors:
    """A mapped vectors file. `index` reads the memory of `matrix`: keep the two together."""

    #: float32 [rows, dimension], read-only.
    matrix: Matrix
    #: FAISS flat index over the same memory.
    index: Any
    _buffer: npt.NDArray[np.uint8]


def faiss_metric(metric: Metric) -> int:
    """FAISS's name for a metric; cosine is the inner product of normalised vectors."""
    code: int = faiss.METRIC_L2 if metric is Metric.L2 else faiss.METRIC_INNER_PRODUCT
    return code


def write_vectors(path: Path, matrix: Matrix, metric: Metric) -> None:
    """Writes a float32 [rows, dimension] matrix, already in its stored form (see `storable_vectors`)."""
    rows, dimension = matrix.shape
    header = _flat_index_header(rows, dimension, metric)
    with path.open("wb") as file:
        file.write(header.rjust(_PREAMBLE_BYTES, b"\0"))
        file.write(np.ascontiguousarray(matrix, dtype="<f4").data)


def map_vectors(
    path: Path, rows: int, dimension: int, metric: Metric, *, read_at_random: bool = False
) -> MappedVectors:
    """Maps a vectors file into memory.

    Args:
        read_at_random: single vectors will be touched, far from each other: the system should not read their
            neighbours too, which would fill its memory with what nobody wants.

    Raises:
        CorruptDataError: the file is not one of `rows` x `dimension` vectors of `metric`.
    """
    expected_bytes = _PREAMBLE_BYTES + 4 * rows * dimension
    if path.stat().st_size != expected_bytes:
        raise CorruptDataError(
            f"{path} has {path.stat().st_size} bytes; {rows} x {dimension} vectors need {expected_bytes}"
        )
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if read_at_random and hasattr(mmap, "MADV_RANDOM"):
        mapping.madvise(mmap.MADV_RANDOM)
    buffer = np.frombuffer(mapping, dtype=np.uint8)
    matrix = buffer[_PREAMBLE_BYTES:].view("<f4").reshape(rows, dimension)
    header = _flat_index_header(rows, dimension, metric)
    serialized_index = buffer[_PREAMBLE_BYTES - len(header) :]
    if serialized_index[: len(header)].tobytes() != header:
        raise CorruptDataError(f"{path} does not begin like a file of {rows} x {dimension} {metric.value} vectors")
    reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(serialized_index), serialized_index.size)
    index = faiss.read_index(reader)
    return MappedVectors(matrix=matrix, index=index, _buffer=buffer)


def _flat_index_header(rows: int, dimension: int, metric: Metric) -> bytes:
    """What FAISS writes before the rows of a flat index; made from an empty one, with the counts filled in."""
    empty = faiss.IndexFlat(dimension, faiss_metric(metric))
    header = bytearray(faiss.serialize_index(empty).tobytes())
    header[_VECTOR_COUNT_OFFSET : _VECTOR_COUNT_OFFSET + 8] = rows.to_bytes(8, "little")
    header[-_FLOAT_COUNT_BYTES:] = (rows * dimension).to_bytes(8, "little")
    assert len(header) <= _PREAMBLE_BYTES, f"the flat index header grew to {len(header)} bytes"
    return bytes(header)
