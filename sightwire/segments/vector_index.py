"""Search in one vector field of one segment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sightwire.contracts.collections import Metric
from sightwire.segments.description import FieldDescription
from sightwire.segments.field_search import Rows, search_exactly, search_filtered_graph, search_graph
from sightwire.segments.graph import open_graph
from sightwire.segments.search_plan import SearchPlan, plan_search
from sightwire.segments.selection import Selection
from sightwire.segments.vector_file import MappedVectors, map_vectors
from sightwire.segments.vectors import Matrix, query_vectors


@dataclass(frozen=True, slots=True)
class SearchHits:
    """Best first per query; row -1 with score -inf where fewer exist."""

    #: float32 [queries, k]; higher is closer.
    scores: Matrix
    #: Item rows (object rows for object fields), int64 [queries, k].
    rows: Rows
    plan: SearchPlan


class VectorIndex:
    """The vectors of one field, mapped, with their graph if they have one. Thread-safe: nothing changes after opening.

    FAISS releases the GIL while it searches, so call `search` from a thread, not from an event loop.
    """

    def __init__(self, folder: Path, description: FieldDescription) -> None:
        self.description = description
        self._vectors: MappedVectors | None = None
        if description.vectors_file is not None:
            self._vectors = map_vectors(
                folder / description.vectors_file, description.rows, description.dimension, description.metric
            )
        self._graph: Any = None
        if self._vectors is not None and description.graph_file is not None:
            self._graph = open_graph(folder / description.graph_file, self._vectors)
        # Vector row → item (or object) row, ascending; None when they are the same.
        self._target_rows: npt.NDArray[np.uint32] | None = None
        if description.rows_file is not None:
            self._target_rows = np.load(folder / description.rows_file, mmap_mode="r")

    @property
    def rows(self) -> int:
        """Number of vectors."""
        return self.description.rows

    @property
    def matrix(self) -> Matrix:
        """The stored vectors, float32 [rows, dimension]: a read-only view of the mapped file."""
        if self._vectors is None:
            return np.empty((0, self.description.dimension), dtype=np.float32)
        return self._vectors.matrix

    def target_rows(self, start: int = 0, stop: int | None = None) -> npt.NDArray[np.uint32]:
        """Item (or object) rows of the vectors `start` to `stop`."""
        if self._target_rows is None:
            return np.arange(start, self.rows if stop is None else stop, dtype=np.uint32)
        return self._target_rows[start:stop]

    def vector_rows(self, target_rows: npt.NDArray[np.integer[Any]]) -> Rows:
        """Vector rows of item (or object) rows; -1 where there is no vector."""
        wanted = np.asarray(target_rows, dtype=np.int64)
        if not self.rows:
            return np.full(wanted.shape, -1, dtype=np.int64)
        if self._target_rows is None:
            return wanted
        positions = np.minimum(np.searchsorted(self._target_rows, wanted), self.rows - 1)
        return np.where(self._target_rows[positions] == wanted, positions, -1)

    def select(self, allowed: npt.NDArray[np.bool_]) -> Selection:
        """Translates a mask over item (or object) rows into a selection of this field's vectors."""
        if not self.rows:
            return Selection(np.empty(0, dtype=np.bool_))
        return Selection(allowed if self._target_rows is None else allowed[self._target_rows])

    def search(
        self,
        queries: npt.NDArray[np.generic],
        k: int,
        *,
        selection: Selection | None = None,
        ef_search: int = 64,
        exact: bool = False,
    ) -> SearchHits:
        """The `k` closest of the selected vectors for each query; always min(k, selected) of them.

        Args:
            queries: [n, dimension] of any float type.
            selection: vectors that may be returned; None for all.
            ef_search: candidates that a graph search keeps, at least.
            exact: compare with every selected vector, whatever it costs.

        Raises:
            InvalidVectorError: queries of another shape, or not usable with the metric.
        """
        matrix = query_vectors(queries, self.description.dimension, self.description.metric)
        return self.search_prepared(matrix, k, selection=selection, ef_search=ef_search, exact=exact)

    def search_prepared(
        self, matrix: Matrix, k: int, *, selection: Selection | None = None, ef_search: int = 64, exact: bool = False
    ) -> SearchHits:
        """`search` for queries that `query_vectors` has checked already, such as those that go to many segments."""
        if selection is not None and selection.is_everything:
            selection = None
        allowed = self.rows if selection is None else selection.count
        graph = self.description.graph
        plan = plan_search(
            rows=self.rows,
            allowed=allowed,
            k=k,
            ef_search=ef_search,
            graph_m=None if graph is None or exact else graph.m,
        )
        wanted = min(k, allowed)
        if self._vectors is None or wanted == 0 or len(matrix) == 0:
            return self._hits(np.empty((len(matrix), 0), np.float32), np.empty((len(matrix), 0), np.int64), k, plan)
        if plan.ef_search is None:
            distances, rows = search_exactly(self._vectors, matrix, wanted, selection)
        elif selection is None:
            distances, rows = search_graph(self._graph, self._vectors, matrix, wanted, plan.ef_search)
        else:
            assert graph is not None, "only a field with a graph is planned to be searched through it"
            distances, rows = search_filtered_graph(
                self._graph, self._vectors, matrix, wanted, selection, plan, graph.m
            )
        return self._hits(distances, rows, k, plan)

    def _hits(self, distances: Matrix, rows: Rows, k: int, plan: SearchPlan) -> SearchHits:
        """FAISS's answer as scores and target rows, padded to `k` columns."""
        scores = -distances if self.description.metric is Metric.L2 else distances
        targets = rows if self._target_rows is None else self._target_rows[rows].astype(np.int64)
        missing = k - rows.shape[1]
        if missing:
            scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
            targets = np.pad(targets, ((0, 0), (0, missing)), constant_values=-1)
        return SearchHits(scores=scores, rows=targets, plan=plan)
