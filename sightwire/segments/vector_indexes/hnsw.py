"""HNSW: a graph of links over the whole vectors, or over codes of one byte a number (`hnsw_sq`)."""

import functools
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np

from sightwire.contracts.collections import IndexParameters
from sightwire.segments.search_plan import RELIABLE_SHARE, SearchPlan, plan_search, widened_plan
from sightwire.segments.selection import Selection
from sightwire.segments.vector_file import MappedVectors
from sightwire.segments.vector_indexes.approximate_index import Rows
from sightwire.segments.vector_indexes.exact import best_candidates, search_exactly
from sightwire.segments.vector_indexes.lone_query import search_index
from sightwire.segments.vector_indexes.mapped_index import read_mapped_index
from sightwire.segments.vectors import Matrix


def build_graph(path: Path, vectors: MappedVectors, parameters: IndexParameters) -> None:
    """Writes a graph's links; the vectors stay where they are."""
    graph = faiss.IndexHNSWFlat(vectors.matrix.shape[1], parameters.m, vectors.index.metric_type)
    graph.hnsw.efConstruction = parameters.ef_construction
    graph.add(vectors.matrix)
    faiss.write_index(graph, str(path), faiss.IO_FLAG_SKIP_STORAGE)


def build_quantized_graph(path: Path, vectors: MappedVectors, parameters: IndexParameters) -> None:
    """Writes a graph over codes of one byte a number, codes included."""
    graph = faiss.IndexHNSWSQ(
        vectors.matrix.shape[1], faiss.ScalarQuantizer.QT_8bit, parameters.m, vectors.index.metric_type
    )
    graph.hnsw.efConstruction = parameters.ef_construction
    graph.train(vectors.matrix)
    graph.add(vectors.matrix)
    faiss.write_index(graph, str(path))


def open_graph(path: Path, vectors: MappedVectors) -> Any:
    """Maps a graph's links and attaches the vectors; the caller keeps `vectors` as long as the graph.

    Raises:
        CorruptDataError: the file is no graph over these vectors.
    """
    graph = read_mapped_index(path, vectors, faiss.IO_FLAG_SKIP_STORAGE)
    graph.storage = vectors.index
    # Python owns the flat index; without this, FAISS would free it a second time.
    graph.own_fields = False
    return graph


#: Of the share of all vectors that pass a filter: where less of the near ones pass, the closest that do lie at the edge
#: of what the walk saw, where it leaves gaps.
_LOW_SHARE: Final = 0.5


class GraphIndex:
    """An open graph.

    Args:
        graph: FAISS's HNSW index.
        m: its links per vector.
        rerank: candidates per wanted result that are compared again with whole vectors; 1 if the graph itself is over
            whole vectors.
    """

    def __init__(self, graph: Any, vectors: MappedVectors, *, m: int, rerank: int) -> None:
        self._graph = graph
        self._rows: int = graph.ntotal
        self._vectors = vectors
        self._m = m
        self._rerank = rerank

    @property
    def derived_bytes(self) -> int:
        return 0

    def plan(self, *, allowed: int, k: int, ef_search: int) -> SearchPlan:
        rows = self._rows
        # With a filter, far more candidates are kept than results are wanted anyway, and those are compared again.
        compared_again = k * self._rerank if allowed == rows else k
        return plan_search(rows=rows, allowed=allowed, k=compared_again, ef_search=ef_search, graph_m=self._m)

    def search(self, queries: Matrix, k: int, selection: Selection | None, plan: SearchPlan) -> tuple[Matrix, Rows]:
        assert plan.candidates is not None, "exact search needs no graph"
        # FAISS reads as many numbers of each query as the stored vectors have.
        assert queries.shape[1] == self._vectors.matrix.shape[1], f"{queries.shape} does not fit the graph"
        if selection is None:
            return self._search_all(queries, k, plan.candidates)
        return self._search_selected(queries, k, selection, plan)

    def _search_all(self, queries: Matrix, k: int, candidates: int) -> tuple[Matrix, Rows]:
        distances, rows = search_index(self._graph, queries, k * self._rerank, _walk_parameters(candidates))
        # A graph walk can end before it met k vectors; the caller was promised that they are found.
        starved = [number for number, kth_row in enumerate(rows[:, k - 1].tolist()) if kth_row < 0]
        if self._rerank > 1:
            distances, rows = best_candidates(self._vectors, queries, rows, k)
        if starved:
            distances[starved], rows[starved] = search_exactly(self._vectors, queries[starved], k, None)
        return distances, rows

    def _search_selected(self, queries: Matrix, k: int, selection: Selection, plan: SearchPlan) -> tuple[Matrix, Rows]:
        """Each query walks the graph without the filter and keeps the candidates that pass it.

        Where too few of the near ones do, it looks farther, and in the end exactly: a walk that only collects allowed
        vectors on its way would stop in a neighbourhood where there are none, and answer with whatever it had met.
        """
        distances = np.empty((len(queries), k), dtype=np.float32)
        rows = np.empty((len(queries), k), dtype=np.int64)
        kept = k * self._rerank
        pending = np.arange(len(queries))
        while pending.size and plan.candidates is not None:
            candidates = plan.candidates
            found_distances, found = search_index(
                self._graph, queries[pending], candidates, _walk_parameters(candidates)
            )
            passed = (found >= 0) & selection.mask[found]
            reliable = int(candidates * RELIABLE_SHARE)
            expected = _LOW_SHARE * reliable * selection.count / selection.total
            settled = np.count_nonzero(passed[:, :reliable], axis=1) >= max(k, expected)
            # A stable sort by "did not pass" moves those that passed to the front and keeps them nearest first.
            nearest = np.argsort(~passed[settled], axis=1, kind="stable")[:, :kept]
            passed_rows = np.where(passed, found, -1)[settled]
            nearest_rows = np.take_along_axis(passed_rows, nearest, axis=1)
            done = pending[settled]
            if self._rerank > 1:
                distances[done], rows[done] = best_candidates(self._vectors, queries[done], nearest_rows, k)
            else:
                distances[done] = np.take_along_axis(found_distances[settled], nearest, axis=1)
                rows[done] = nearest_rows
            pending = pending[~settled]
            plan = widened_plan(plan, allowed=selection.count, graph_m=self._m)
        if pending.size:
            distances[pending], rows[pending] = search_exactly(self._vectors, queries[pending], k, selection)
        return distances, rows


@functools.lru_cache(maxsize=256)
def _walk_parameters(candidates: int) -> Any:
    # FAISS only reads them, and to make them costs a tenth of a search.
    return faiss.SearchParametersHNSW(efSearch=candidates)
