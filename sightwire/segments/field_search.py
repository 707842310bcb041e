"""Exact and graph search over the mapped vectors of one field; distances and rows are FAISS's own."""

import functools
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from sightwire.segments.search_plan import RELIABLE_SHARE, SearchPlan, widened_plan
from sightwire.segments.selection import Selection
from sightwire.segments.vector_file import MappedVectors
from sightwire.segments.vectors import Matrix

Rows = npt.NDArray[np.int64]


def search_exactly(vectors: MappedVectors, queries: Matrix, k: int, selection: Selection | None) -> tuple[Matrix, Rows]:
    """The `k` closest of the selected vectors; float32 and int64 [queries, k], at least `k` being selected."""
    # FAISS holds plain pointers: the selector and its array must be named here to live until the search is done.
    selector = None if selection is None else faiss.IDSelectorArray(selection.rows)
    parameters = None if selector is None else faiss.SearchParameters(sel=selector)
    distances, rows = vectors.index.search(queries, k, params=parameters)
    return distances, rows


def search_graph(graph: Any, vectors: MappedVectors, queries: Matrix, k: int, candidates: int) -> tuple[Matrix, Rows]:
    """About the `k` closest of all vectors; float32 and int64 [queries, k]."""
    distances, rows = graph.search(queries, k, params=_graph_parameters(candidates))
    # A graph walk can end before it met k vectors; the caller was promised that they are found.
    starved = [number for number, last_row in enumerate(rows[:, -1].tolist()) if last_row < 0]
    if starved:
        distances[starved], rows[starved] = search_exactly(vectors, queries[starved], k, None)
    return distances, rows


def search_filtered_graph(
    graph: Any, vectors: MappedVectors, queries: Matrix, k: int, selection: Selection, plan: SearchPlan, graph_m: int
) -> tuple[Matrix, Rows]:
    """About the `k` closest of the selected vectors, more than `k` being selected; float32 and int64 [queries, k].

    Each query walks the graph without the filter and keeps the candidates that pass it. Where too few of the near ones
    do, it looks farther, and in the end exactly: a walk that only collects allowed vectors on its way would stop in a
    neighbourhood where there are none, and answer with whatever it had met.
    """
    distances = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    pending = np.arange(len(queries))
    while pending.size and plan.ef_search is not None:
        candidates = plan.ef_search
        found_distances, found_rows = graph.search(queries[pending], candidates, params=_graph_parameters(candidates))
        passed = (found_rows >= 0) & selection.mask[found_rows]
        reliable = int(candidates * RELIABLE_SHARE)
        settled = np.count_nonzero(passed[:, :reliable], axis=1) >= k
        # A stable sort by "did not pass" moves those that passed to the front and keeps them nearest first.
        nearest = np.argsort(~passed[settled], axis=1, kind="stable")[:, :k]
        distances[pending[settled]] = np.take_along_axis(found_distances[settled], nearest, axis=1)
        rows[pending[settled]] = np.take_along_axis(found_rows[settled], nearest, axis=1)
        pending = pending[~settled]
        plan = widened_plan(plan, allowed=selection.count, graph_m=graph_m)
    if pending.size:
        distances[pending], rows[pending] = search_exactly(vectors, queries[pending], k, selection)
    return distances, rows


@functools.lru_cache(maxsize=256)
def _graph_parameters(candidates: int) -> Any:
    # FAISS only reads them, and to make them costs a tenth of a search.
    return faiss.SearchParametersHNSW(efSearch=candidates)
