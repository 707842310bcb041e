"""Copies of a selection's vectors, one after the other, so that exact search among them reads memory in order.

From their places in the mapped file, few of many vectors are fetched one by one, each from another page: that takes
up to four times as long.
"""

from typing import Final

import faiss
import numpy as np

from sightwire.segments.selection import Selection
from sightwire.segments.vector_file import MappedVectors
from sightwire.segments.vector_indexes.approximate_index import Rows
from sightwire.segments.vector_indexes.lone_query import search_index
from sightwire.segments.vectors import Matrix

#: From so many queries on, FAISS makes one product of matrices, which rounds otherwise: equal vectors would not score
#: the same.
_QUERIES_OF_PRODUCT: Final = int(faiss.cvar.distance_compute_blas_threshold)


class GatheredVectors:
    """The vectors of a selection; what it finds are FAISS's distances and rows, as `search_exactly` gives them."""

    def __init__(self, vectors: MappedVectors, selection: Selection) -> None:
        dimension = vectors.matrix.shape[1]
        self._rows = selection.rows
        self._dimension = dimension
        self._index = faiss.IndexFlat(dimension, vectors.index.metric_type)
        self._index.add(vectors.matrix[self._rows])
        #: Memory that it takes.
        self.full_bytes = gathered_bytes(len(self._rows), dimension)

    @staticmethod
    def suits(queries: Matrix) -> bool:
        """Whether the queries are so few that each pair of vectors is compared by itself."""
        return len(queries) < _QUERIES_OF_PRODUCT

    def search(self, queries: Matrix, k: int) -> tuple[Matrix, Rows]:
        """The `k` closest, of which there must be as many; float32 and int64 [queries, k]."""
        assert queries.shape[1] == self._dimension, f"expected {self._dimension} numbers, got {queries.shape}"
        distances, positions = search_index(self._index, queries, k, None)
        return distances, self._rows[positions]


def gathered_bytes(rows: int, dimension: int) -> int:
    """Memory for a copy of so many vectors, and the numbers of their rows."""
    return rows * (4 * dimension + np.dtype(np.int64).itemsize)
