"""Inverted lists of quantised vectors: one byte a number (`ivf_sq`), or product-quantised (`ivf_pq`).

The vectors are divided into lists around centroids. A search ranks the lists by their centroids and reads the nearest
until it has compared enough vectors that pass the filter, so a filter that speaks against the query makes it read more
lists and not find less.
"""

import math
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from sightwire.contracts.collections import IndexParameters, Metric
from sightwire.segments.search_plan import SearchPlan, plan_list_search
from sightwire.segments.selection import Selection
from sightwire.segments.vector_file import MappedVectors
from sightwire.segments.vector_indexes.approximate_index import Rows
from sightwire.segments.vector_indexes.exact import best_candidates, search_exactly
from sightwire.segments.vector_indexes.gpu import why_no_gpu
from sightwire.segments.vectors import Matrix

#: Lists per root of the number of vectors, where the parameters do not say.
_LISTS_PER_ROOT: Final = 2
#: More rounds and vectors make centroids that are hardly better.
_TRAINING_ROUNDS: Final = 6
_TRAINING_VECTORS_PER_LIST: Final = 64
_CODE_WORD_ROUNDS: Final = 10
_TRAINING_VECTORS_PER_CODE_WORD: Final = 64
_SEED: Final = 1234
#: Of the share of all vectors that pass a filter.
_LOW_SHARE: Final = 0.75


def list_count(rows: int, wanted: int | None) -> int:
    """Inverted lists for `rows` vectors: as many as wanted, but each with vectors enough to find its centroid."""
    lists = round(_LISTS_PER_ROOT * math.sqrt(rows)) if wanted is None else wanted
    return max(1, min(lists, rows // 16))


def code_bytes(dimension: int, wanted: int | None) -> int:
    """Bytes of a product-quantised vector: at most what is wanted, and a divisor of the dimension, as it must be."""
    limit = min(dimension, max(1, dimension // 8 if wanted is None else wanted))
    return max(size for size in range(1, limit + 1) if dimension % size == 0)


def build_lists(path: Path, vectors: MappedVectors, metric: Metric, parameters: IndexParameters) -> None:
    """Writes inverted lists with codes of one byte a number."""
    assigner = _trained_centroids(vectors.matrix, metric, parameters)
    lists = faiss.IndexIVFScalarQuantizer(
        assigner,
        vectors.matrix.shape[1],
        assigner.ntotal,
        faiss.ScalarQuantizer.QT_8bit,
        vectors.index.metric_type,
        # Eight bits are precise enough without taking the centroid off, which would cost in every search.
        False,
    )
    _fill_and_write(path, lists, vectors, metric, assigner)


def build_product_quantized_lists(
    path: Path, vectors: MappedVectors, metric: Metric, parameters: IndexParameters
) -> None:
    """Writes inverted lists with product-quantised codes of what is left of a vector without its centroid."""
    dimension = vectors.matrix.shape[1]
    assigner = _trained_centroids(vectors.matrix, metric, parameters)
    lists = faiss.IndexIVFPQ(
        assigner,
        dimension,
        assigner.ntotal,
        code_bytes(dimension, parameters.pq_bytes),
        8,
        vectors.index.metric_type,
    )
    lists.pq.cp.niter = _CODE_WORD_ROUNDS
    lists.pq.cp.max_points_per_centroid = _TRAINING_VECTORS_PER_CODE_WORD
    lists.pq.cp.seed = _SEED
    _fill_and_write(path, lists, vectors, metric, assigner)


def _trained_centroids(matrix: Matrix, metric: Metric, parameters: IndexParameters) -> Any:
    """A flat index of centroids that assigns vectors to them."""
    dimension = matrix.shape[1]
    trainer = faiss.Kmeans(
        dimension,
        list_count(len(matrix), parameters.lists),
        niter=_TRAINING_ROUNDS,
        max_points_per_centroid=_TRAINING_VECTORS_PER_LIST,
        min_points_per_centroid=1,
        spherical=metric is Metric.COSINE,
        seed=_SEED,
        gpu=why_no_gpu() is None,
    )
    trainer.train(matrix)
    # By the inner product long centroids would attract everything, unless all are of length 1.
    assigner = faiss.IndexFlatIP(dimension) if metric is Metric.COSINE else faiss.IndexFlatL2(dimension)
    assigner.add(trainer.centroids)
    return assigner


def _fill_and_write(path: Path, lists: Any, vectors: MappedVectors, metric: Metric, assigner: Any) -> None:
    lists.train(vectors.matrix)
    lists.add(vectors.matrix)
    if metric is Metric.DOT:
        # Searched by what is asked for: the lists with the greatest inner product on average.
        searched = faiss.IndexFlatIP(assigner.d)
        searched.add(faiss.rev_swig_ptr(assigner.get_xb(), assigner.ntotal * assigner.d).reshape(-1, assigner.d))
        lists.quantizer = searched
    faiss.write_index(lists, str(path))


class InvertedListIndex:
    """Open inverted lists.

    Args:
        lists: FAISS's IVF index.
        parameters: `probes`, `rerank` and `ef_search` are those of a search that asks for nothing else.
    """

    def __init__(self, lists: Any, vectors: MappedVectors, parameters: IndexParameters) -> None:
        self._lists = lists
        self._vectors = vectors
        self._parameters = parameters
        # Now and not when they are needed first: other queries would wait for the one that computes them.
        #: List of each vector row; uint32 [rows].
        self._list_of_row = _list_of_each_row(lists)
        #: Vectors in each list; int64 [lists].
        self._list_sizes = np.bincount(self._list_of_row, minlength=lists.nlist)

    @property
    def derived_bytes(self) -> int:
        # Of `_list_of_row`; what else is kept does not grow with the rows.
        return 4 * int(self._lists.ntotal)

    def plan(self, *, allowed: int, k: int, ef_search: int) -> SearchPlan:
        own = self._parameters
        effort = max(1.0, ef_search / own.ef_search)
        return plan_list_search(
            rows=self._lists.ntotal,
            allowed=allowed,
            # Codes err, so that reading more lists alone would not find more.
            candidates=min(int(self._lists.ntotal), max(k * own.rerank, own.ef_search, ef_search)),
            lists=self._lists.nlist,
            probes=math.ceil(own.probes * effort),
        )

    def search(self, queries: Matrix, k: int, selection: Selection | None, plan: SearchPlan) -> tuple[Matrix, Rows]:
        assert plan.candidates is not None, "exact search needs no lists"
        centroid_distances, nearest_lists = self._lists.quantizer.search(queries, self._lists.nlist)
        allowed = self._list_sizes if selection is None else self._allowed_by_list(selection)
        read = lists_to_read(nearest_lists, allowed, plan.candidates)
        kept = max(k, plan.compared_again)
        distances, rows = self._search_lists(queries, kept, selection, read, centroid_distances)
        distances, rows = best_candidates(self._vectors, queries, rows, k)
        if selection is not None:
            against = is_filtered_against(nearest_lists, self._list_sizes, allowed, plan.candidates)
            if against.any():
                distances[against], rows[against] = search_exactly(self._vectors, queries[against], k, selection)
        return distances, rows

    def _search_lists(
        self, queries: Matrix, kept: int, selection: Selection | None, read: Rows, centroid_distances: Matrix
    ) -> tuple[Matrix, Rows]:
        """The nearest `kept` by their codes in the lists that `lists_to_read` chose for each query."""
        # FAISS holds plain pointers: all that it is given must be named here to live until the search is done.
        selector = None if selection is None else faiss.IDSelectorBitmap(selection.bitmap)
        parameters = faiss.IVFSearchParameters(nprobe=read.shape[1], sel=selector)
        centroid_distances = np.ascontiguousarray(centroid_distances[:, : read.shape[1]])
        distances = np.empty((len(queries), kept), dtype=np.float32)
        rows = np.empty((len(queries), kept), dtype=np.int64)
        self._lists.search_preassigned_c(
            len(queries),
            faiss.swig_ptr(queries),
            kept,
            faiss.swig_ptr(read),
            faiss.swig_ptr(centroid_distances),
            faiss.swig_ptr(distances),
            faiss.swig_ptr(rows),
            False,
            parameters,
        )
        return distances, rows

    def _allowed_by_list(self, selection: Selection) -> npt.NDArray[np.int64]:
        return np.bincount(self._list_of_row[selection.rows], minlength=self._lists.nlist)


def _list_of_each_row(lists: Any) -> npt.NDArray[np.uint32]:
    # FAISS goes through the lists without the GIL, which a loop here would hold.
    lists.make_direct_map(True)
    positions = faiss.vector_to_array(lists.direct_map.array)
    lists.make_direct_map(False)
    # The list's number in the upper half, the place in the list in the lower one.
    return np.asarray(positions >> 32, dtype=np.uint32)


def is_filtered_against(
    nearest_lists: Rows, sizes: npt.NDArray[np.int64], allowed: npt.NDArray[np.int64], compared: int
) -> npt.NDArray[np.bool_]:
    """Whether a filter speaks against each query: much less of what is near passes it than of the whole field.

    What does pass and is the closest then lies at the edge of the query's surroundings, in lists that their centroids
    do not tell from others.

    Args:
        nearest_lists: all lists for each query, nearest first; int64 [queries, lists].
        sizes: vectors by list; int64 [lists].
        allowed: allowed vectors by list; int64 [lists].
        compared: vectors that make up the surroundings.
    """
    list_sizes = sizes[nearest_lists]
    is_near = np.cumsum(list_sizes, axis=1) - list_sizes < compared
    near_share = (allowed[nearest_lists] * is_near).sum(axis=1) / (list_sizes * is_near).sum(axis=1)
    return np.asarray(near_share < _LOW_SHARE * allowed.sum() / sizes.sum())


def lists_to_read(nearest_lists: Rows, allowed: npt.NDArray[np.int64], wanted: int) -> Rows:
    """The lists that each query reads, nearest first, until they hold `wanted` allowed vectors; -1 for none.

    Args:
        nearest_lists: all lists for each query, nearest first; int64 [queries, lists].
        allowed: allowed vectors by list; int64 [lists].

    Returns:
        int64 [queries, as many as any query needs]: a prefix of `nearest_lists`, with -1 in the place of lists that
        hold no allowed vector or are not needed.
    """
    counts = allowed[nearest_lists]
    is_needed = np.cumsum(counts, axis=1) - counts < wanted
    columns = int(np.count_nonzero(is_needed.any(axis=0)))
    return np.ascontiguousarray(np.where(is_needed & (counts > 0), nearest_lists, -1)[:, :columns])
