"""Answers searches with many vectors. Work on single hits is left to NumPy: it would take as long as the search."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from sightwire.segments.reader import SegmentReader
from sightwire.segments.vector_index import SearchHits
from sightwire.segments.vectors import Matrix
from sightwire.v1 import searcher_pb2
from sightwire_searcher.search.field_rankings import FieldSearch, item_hits, rank_field
from sightwire_searcher.search.rankings import Found, SegmentHits, merge
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.snapshot import Snapshot

Rows = npt.NDArray[np.int64]
ReadValues = Callable[[SegmentReader, Rows], Sequence[Any]]


class HitTable:
    """Up to `k` hits for each of `n` vectors, best first; all arrays are [n, k]."""

    def __init__(self, n: int, k: int) -> None:
        self.scores: Matrix = np.zeros((n, k), dtype=np.float32)
        #: Positions of segments in the snapshot; -1 where there is no hit.
        self.segments: Rows = np.full((n, k), -1, dtype=np.int64)
        #: Item rows in those segments.
        self.rows: Rows = np.zeros((n, k), dtype=np.int64)

    def put(self, number: int, found: Sequence[Found]) -> None:
        """Sets the hits of one vector."""
        count = len(found)
        self.segments[number] = -1
        self.scores[number, :count] = [item.score for item in found]
        self.segments[number, :count] = [item.segment for item in found]
        self.rows[number, :count] = [item.row for item in found]


def search_many(
    snapshot: Snapshot,
    selections: Selections,
    search: FieldSearch,
    queries: Matrix,
    *,
    threads: int,
    with_documents: bool,
) -> searcher_pb2.SearchManyResponse:
    """The nearest items of each query.

    Args:
        queries: float32 [n, dimension], checked.
        threads: how many search.
    """
    started = time.perf_counter()
    with _faiss_threads(threads):
        table = _hit_table(snapshot, selections, search, queries)
    is_hit = table.segments >= 0
    segments, rows = table.segments[is_hit], table.rows[is_hit]
    response = searcher_pb2.SearchManyResponse(
        counts=np.count_nonzero(is_hit, axis=1).tolist(),
        item_ids=_values(snapshot, segments, rows, lambda reader, rows: reader.ids(rows)),
        scores=table.scores[is_hit].tolist(),
        manifest_version=snapshot.version,
        generation=snapshot.generation,
    )
    if with_documents:
        response.documents.extend(_values(snapshot, segments, rows, lambda reader, rows: reader.documents(rows)))
    response.search_seconds = time.perf_counter() - started
    return response


def _hit_table(snapshot: Snapshot, selections: Selections, search: FieldSearch, queries: Matrix) -> HitTable:
    table = HitTable(len(queries), search.depth)
    if search.per_object:
        for number, ranking in enumerate(rank_field(snapshot, selections, search, queries)):
            table.put(number, ranking.found)
        return table
    parts = [(segment, hits) for segment, _, hits in item_hits(snapshot, selections, search, queries)]
    if parts:
        for number in _fill(table, parts).tolist():
            of_query = [SegmentHits(segment, hits.scores[number], hits.rows[number]) for segment, hits in parts]
            table.put(number, merge(snapshot, of_query, search.depth))
    return table


def _fill(table: HitTable, parts: Sequence[tuple[int, SearchHits]]) -> Rows:
    """Puts the best of all segments into the table.

    Returns:
        The queries of which some hits have the same score, so that their ids must decide.
    """
    scores = np.concatenate([hits.scores for _, hits in parts], axis=1)
    rows = np.concatenate([hits.rows for _, hits in parts], axis=1)
    segments = np.concatenate([np.full(hits.rows.shape[1], segment) for segment, hits in parts])
    falling = np.argsort(-scores, axis=1, kind="stable")
    best = falling[:, : table.rows.shape[1]]
    k = best.shape[1]
    table.scores[:, :k] = np.take_along_axis(scores, best, axis=1)
    table.rows[:, :k] = np.take_along_axis(rows, best, axis=1)
    table.segments[:, :k] = segments[best]
    # With the next after the last, which may have its score.
    considered = np.take_along_axis(scores, falling[:, : k + 1], axis=1)
    has_tie: npt.NDArray[np.bool_] = np.any(considered[:, 1:] == considered[:, :-1], axis=1)
    return np.flatnonzero(has_tie)


def _values(snapshot: Snapshot, segments: Rows, rows: Rows, read: ReadValues) -> list[Any]:
    """A value of each hit, those of a segment read together."""
    present = np.unique(segments).tolist()
    if len(present) == 1:
        return list(read(snapshot.segments[present[0]].reader, rows))
    values = np.empty(len(rows), dtype=object)
    for segment in present:
        of_segment = np.flatnonzero(segments == segment)
        for position, value in zip(
            of_segment.tolist(), read(snapshot.segments[segment].reader, rows[of_segment]), strict=True
        ):
            values[position] = value
    found: list[Any] = values.tolist()
    return found


@contextmanager
def _faiss_threads(threads: int) -> Iterator[None]:
    """FAISS's threads for searches of the calling thread; otherwise it has none beside itself."""
    faiss.omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(1)
