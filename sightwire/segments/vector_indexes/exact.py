"""Exact distances to the mapped whole vectors of a field; distances and rows are FAISS's own."""

import faiss
import numpy as np

from sightwire.segments.selection import Selection
from sightwire.segments.vector_file import MappedVectors
from sightwire.segments.vector_indexes.approximate_index import Rows
from sightwire.segments.vector_indexes.lone_query import search_index
from sightwire.segments.vectors import Matrix


def search_exactly(vectors: MappedVectors, queries: Matrix, k: int, selection: Selection | None) -> tuple[Matrix, Rows]:
    """The `k` closest of the selected vectors; float32 and int64 [queries, k], at least `k` being selected."""
    # FAISS reads as many numbers of each query as the stored vectors have.
    assert queries.shape[1] == vectors.matrix.shape[1], f"{queries.shape} does not fit {vectors.matrix.shape}"
    return search_index(vectors.index, queries, k, None if selection is None else selection.parameters)


def best_candidates(vectors: MappedVectors, queries: Matrix, candidates: Rows, k: int) -> tuple[Matrix, Rows]:
    """Compares each query with its own candidates and keeps the `k` closest; float32 and int64 [queries, k].

    Args:
        candidates: vector rows, int64 [queries, k or more], -1 where there are fewer.
    """
    candidates = np.ascontiguousarray(candidates)
    distances = np.empty(candidates.shape, dtype=np.float32)
    vectors.index.compute_distance_subset(
        len(queries),
        faiss.swig_ptr(queries),
        candidates.shape[1],
        faiss.swig_ptr(distances),
        faiss.swig_ptr(candidates),
    )
    # As a loss, a missing candidate is the worst for either metric.
    losses = distances if vectors.index.metric_type == faiss.METRIC_L2 else -distances
    losses[candidates < 0] = np.inf
    nearest = np.argsort(losses, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, nearest, axis=1), np.take_along_axis(candidates, nearest, axis=1)
