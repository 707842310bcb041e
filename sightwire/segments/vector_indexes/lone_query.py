"""FAISS's search for a single query, in one call.

Every call of FAISS's Python interface lets go of the interpreter's lock and takes it again, also those that make a
pointer or read a number, of which its `search` makes five. Where several threads search, each of them may have to wait.
"""

import threading
from typing import Any, Final

import faiss
import numpy as np

from sightwire.segments.vector_indexes.approximate_index import Rows
from sightwire.segments.vectors import Matrix

#: More of either is searched as FAISS has it: a thread need not keep memory for it.
_MAX_DIMENSION: Final = 4096
_MAX_RESULTS: Final = 1024


class _Workspace(threading.local):
    """A thread's memory for a query and its answer, and FAISS's pointers to it."""

    def __init__(self) -> None:
        self.query = np.empty(_MAX_DIMENSION, dtype=np.float32)
        self.distances = np.empty(_MAX_RESULTS, dtype=np.float32)
        self.rows = np.empty(_MAX_RESULTS, dtype=np.int64)
        self.query_pointer = faiss.swig_ptr(self.query)
        self.distances_pointer = faiss.swig_ptr(self.distances)
        self.rows_pointer = faiss.swig_ptr(self.rows)


_workspace: Final = _Workspace()


def search_index(index: Any, queries: Matrix, k: int, parameters: Any) -> tuple[Matrix, Rows]:
    """`index.search`; float32 and int64 [queries, k].

    Args:
        index: of FAISS, with the dimension of the queries; the caller sees to that.
        parameters: FAISS's, or None.
    """
    n, dimension = queries.shape
    if n != 1 or dimension > _MAX_DIMENSION or k > _MAX_RESULTS:
        distances, rows = index.search(queries, k, params=parameters)
        return distances, rows
    own = _workspace
    own.query[:dimension] = queries[0]
    index.search_c(1, own.query_pointer, k, own.distances_pointer, own.rows_pointer, parameters)
    return own.distances[np.newaxis, :k].copy(), own.rows[np.newaxis, :k].copy()
