"""Vectors on a GPU, where there is one and FAISS was built for it: the extra `faiss-gpu`.

A GPU compares a query with every vector sooner than a processor walks a graph, and misses none. Its indexes take no
selection though: where a few vectors are excluded, that many more are found and dropped again; where many are, the
search stays with the mapped vectors and their index.
"""

import threading
from typing import Any, Final

import faiss
import numpy as np

from sightwire.segments.selection import Selection
from sightwire.segments.vector_file import MappedVectors
from sightwire.segments.vector_indexes.approximate_index import Rows
from sightwire.segments.vectors import Matrix

#: Fewer vectors a processor compares in the time that a call to a GPU takes.
GPU_MIN_ROWS: Final = 10_000
#: Results that FAISS's selection on a GPU can keep.
_MAX_RESULTS: Final = 2048


def why_no_gpu() -> str | None:
    """Why FAISS cannot use a GPU here; None if it can."""
    if not hasattr(faiss, "StandardGpuResources"):
        return "this FAISS knows no GPU: uninstall faiss-cpu and install sightwire[faiss-gpu]"
    if faiss.get_num_gpus() < 1:
        return "FAISS finds no GPU"
    return None


class Gpu:
    """One GPU, of whose memory vectors may take a share. Thread-safe.

    Args:
        memory_bytes: what all copies together may take.

    Raises:
        RuntimeError: there is none; see `why_no_gpu`.
    """

    def __init__(self, *, memory_bytes: int, device: int = 0) -> None:
        reason = why_no_gpu()
        if reason is not None:
            raise RuntimeError(reason)
        self._resources = faiss.StandardGpuResources()
        self._device = device
        self._memory_bytes = memory_bytes
        self._used_bytes = 0
        # One stream of work serves all copies: FAISS wants one caller at a time for that.
        self._working = threading.Lock()

    def copy(self, vectors: MappedVectors) -> "VectorsOnGpu | None":
        """A copy of vectors, None if they do not fit. Its memory is free again when nobody refers to it."""
        size = vectors.matrix.nbytes
        with self._working:
            if self._used_bytes + size > self._memory_bytes:
                return None
            index = faiss.index_cpu_to_gpu(self._resources, self._device, vectors.index)
            self._used_bytes += size
        return VectorsOnGpu(index, self, size)

    def search(self, index: Any, queries: Matrix, k: int) -> tuple[Matrix, Rows]:
        """FAISS's answer of an index that lies on this GPU."""
        with self._working:
            distances, rows = index.search(queries, k)
        return distances, rows

    def give_back(self, size: int) -> None:
        """A copy of `size` bytes went."""
        with self._working:
            self._used_bytes -= size


class VectorsOnGpu:
    """A copy of the vectors of a field."""

    def __init__(self, index: Any, gpu: Gpu, size: int) -> None:
        self._index = index
        self._gpu = gpu
        self._size = size

    def __del__(self) -> None:
        self._index = None
        self._gpu.give_back(self._size)

    def can_find(self, k: int, selection: Selection | None) -> bool:
        """Whether `search` can answer."""
        return k + _excluded(selection) <= _MAX_RESULTS

    def search(self, queries: Matrix, k: int, selection: Selection | None) -> tuple[Matrix, Rows]:
        """The `k` closest of the selected vectors, at least `k` being selected.

        Returns:
            Exact distances and rows, best first: float32 and int64 [queries, k].
        """
        distances, rows = self._gpu.search(self._index, queries, k + _excluded(selection))
        if selection is None:
            return distances, rows
        # Selected ones first, in their order.
        best = np.argsort(~selection.mask[rows], axis=1, kind="stable")[:, :k]
        return np.take_along_axis(distances, best, axis=1), np.take_along_axis(rows, best, axis=1)


def _excluded(selection: Selection | None) -> int:
    return 0 if selection is None else selection.total - selection.count
