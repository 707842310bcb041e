"""Search in one vector field of one segment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sightwire.contracts.collections import Metric
from sightwire.segments.description import FieldDescription
from sightwire.segments.memory import VectorMemory
from sightwire.segments.search_plan import EXACT_SEARCH, SearchPlan, gathering_pays
from sightwire.segments.selection import Selection
from sightwire.segments.vector_file import MappedVectors, map_vectors
from sightwire.segments.vector_indexes.approximate_index import ApproximateIndex, Rows
from sightwire.segments.vector_indexes.exact import search_exactly
from sightwire.segments.vector_indexes.gathered import GatheredVectors, gathered_bytes
from sightwire.segments.vector_indexes.gpu import GPU_MIN_ROWS, Gpu, VectorsOnGpu
from sightwire.segments.vector_indexes.kinds import IndexKind
from sightwire.segments.vector_indexes.opening import open_index
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
    """The vectors of one field, mapped, with their index if they have one.

    Thread-safe: nothing changes after opening, but for `copy_to` a GPU, which comes before the first search.

    FAISS releases the GIL while it searches, so call `search` from a thread, not from an event loop.
    """

    def __init__(self, folder: Path, description: FieldDescription) -> None:
        self.description = description
        self._vectors: MappedVectors | None = None
        if description.vectors_file is not None:
            self._vectors = map_vectors(
                folder / description.vectors_file,
                description.rows,
                description.dimension,
                description.metric,
                read_at_random=self.kind.is_quantized,
            )
        self._index: ApproximateIndex | None = None
        self._index_bytes = 0
        if self._vectors is not None and description.index is not None:
            index_path = folder / description.index.file
            self._index = open_index(index_path, self._vectors, description.index.kind, description.index.parameters)
            self._index_bytes = index_path.stat().st_size + self._index.derived_bytes
        self._on_gpu: VectorsOnGpu | None = None
        # Vector row → item (or object) row, ascending; None when they are the same.
        self._target_rows: npt.NDArray[np.uint32] | None = None
        if description.rows_file is not None:
            self._target_rows = np.load(folder / description.rows_file, mmap_mode="r")

    @property
    def rows(self) -> int:
        """Number of vectors."""
        return self.description.rows

    @property
    def kind(self) -> IndexKind:
        """How the vectors are indexed."""
        return IndexKind.FLAT if self.description.index is None else self.description.index.kind

    @property
    def memory(self) -> VectorMemory:
        """What the vectors and their index take."""
        vector_bytes = 4 * self.rows * self.description.dimension
        return VectorMemory(
            vectors=self.rows,
            index_bytes=self._index_bytes,
            mapped_vector_bytes=vector_bytes,
            searched_vector_bytes=0 if self.kind.is_quantized else vector_bytes,
        )

    @property
    def vector_files(self) -> frozenset[str]:
        """Names of the files of vectors and index, whose memory `memory` tells."""
        index = self.description.index
        names = (self.description.vectors_file, None if index is None else index.file)
        return frozenset(name for name in names if name is not None)

    @property
    def files_of_rare_use(self) -> frozenset[str]:
        """Names of files of which a search touches next to nothing, so that they are better left on disk."""
        file = self.description.vectors_file
        return frozenset((file,) if file is not None and self.kind.is_quantized else ())

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

    def copy_to(self, gpu: Gpu) -> None:
        """Lets a GPU do those searches in which it is quicker, if the vectors are many and fit."""
        if self._vectors is not None and self.rows >= GPU_MIN_ROWS:
            self._on_gpu = gpu.copy(self._vectors)

    def select(self, allowed: npt.NDArray[np.bool_]) -> Selection:
        """Translates a mask over item (or object) rows into a selection of this field's vectors."""
        if not self.rows:
            return Selection(np.empty(0, dtype=np.bool_))
        return Selection(allowed if self._target_rows is None else allowed[self._target_rows])

    def gains_by_gathering(self, selection: Selection, k: int, *, ef_search: int) -> bool:
        """Whether searches of a selection that is used often are better done in a copy of its vectors."""
        if self._vectors is None or self._on_gpu is not None or not selection.count:
            return False
        if self._index is None or self.description.index is None:
            return True
        plan = self._index.plan(allowed=selection.count, k=min(k, selection.count), ef_search=ef_search)
        graph_m = self.description.index.parameters.m if self.kind is IndexKind.HNSW else None
        return gathering_pays(plan, allowed=selection.count, graph_m=graph_m)

    def gather(self, selection: Selection) -> GatheredVectors:
        """A copy of the selected vectors, for `search_prepared`."""
        assert self._vectors is not None, "there are no vectors to copy"
        return GatheredVectors(self._vectors, selection)

    def gathered_bytes(self, selection: Selection) -> int:
        """Memory that `gather` takes."""
        return gathered_bytes(selection.count, self.description.dimension)

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
            ef_search: candidates that a graph search keeps, at least; inverted lists read more if it is more than the
                field's own.
            exact: compare with every selected vector, in the mapped file, whatever it costs.

        Raises:
            InvalidVectorError: queries of another shape, or not usable with the metric.
        """
        matrix = query_vectors(queries, self.description.dimension, self.description.metric)
        return self.search_prepared(matrix, k, selection=selection, ef_search=ef_search, exact=exact)

    def search_prepared(
        self,
        matrix: Matrix,
        k: int,
        *,
        selection: Selection | None = None,
        gathered: GatheredVectors | None = None,
        ef_search: int = 64,
        exact: bool = False,
    ) -> SearchHits:
        """`search` for queries that `query_vectors` has checked already, such as those that go to many segments.

        Args:
            gathered: a copy of the selected vectors, if there is one.
        """
        if selection is not None and selection.is_everything:
            selection = None
        allowed = self.rows if selection is None else selection.count
        index = None if exact else self._index
        wanted = min(k, allowed)
        plan = EXACT_SEARCH if index is None else index.plan(allowed=allowed, k=wanted, ef_search=ef_search)
        if self._vectors is None or wanted == 0 or len(matrix) == 0:
            return self._hits(np.empty((len(matrix), 0), np.float32), np.empty((len(matrix), 0), np.int64), k, plan)
        if not exact and self._on_gpu is not None and self._on_gpu.can_find(wanted, selection):
            plan = EXACT_SEARCH
            distances, rows = self._on_gpu.search(matrix, wanted, selection)
        elif gathered is not None and gathered.suits(matrix):
            plan = EXACT_SEARCH
            distances, rows = gathered.search(matrix, wanted)
        elif index is None or plan.exact:
            distances, rows = search_exactly(self._vectors, matrix, wanted, selection)
        else:
            distances, rows = index.search(matrix, wanted, selection, plan)
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
