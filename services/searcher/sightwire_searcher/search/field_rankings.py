"""Searches one field of all segments of a snapshot."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sightwire.segments.search_plan import SearchPlan
from sightwire.segments.vector_index import SearchHits
from sightwire.segments.vectors import Matrix
from sightwire_searcher.search.explanation import FieldReport, SegmentReport, strategy_of
from sightwire_searcher.search.query import CheckedFilter
from sightwire_searcher.search.rankings import Ranking, SegmentHits, merge
from sightwire_searcher.search.selections import Choice, Selections
from sightwire_searcher.snapshot import SegmentView, Snapshot

#: Objects fetched at first for each item that is wanted.
_OBJECTS_PER_ITEM = 4
_WIDENING = 4


@dataclass(frozen=True, slots=True)
class FieldSearch:
    """A search of one field to a depth of so many items."""

    field: str
    per_object: bool
    filter: CheckedFilter | None
    depth: int
    ef_search: int


@dataclass(frozen=True, slots=True)
class _SegmentAnswer:
    """Per query; `complete` if nothing else in the segment may be found."""

    scores: Sequence[Matrix]
    rows: Sequence[npt.NDArray[np.int64]]
    complete: Sequence[bool]
    plan: SearchPlan


def rank_field(
    snapshot: Snapshot, selections: Selections, search: FieldSearch, queries: Matrix, report: FieldReport | None = None
) -> list[Ranking]:
    """A ranking per query; an item that is found by several of its objects ranks by the best of them.

    Args:
        queries: float32 [n, dimension], checked and normalised as `query_vectors` does.
        report: gets an entry per segment.
    """
    parts: list[list[SegmentHits]] = [[] for _ in queries]
    complete = [True] * len(queries)
    for segment, view in enumerate(snapshot.segments):
        started = time.perf_counter()
        choice = _choice(selections, view, search)
        answer: _SegmentAnswer | None = None
        if choice.count:
            answer = (_search_objects if search.per_object else _search_items)(view, search, choice, queries)
            for number, part in enumerate(parts):
                part.append(SegmentHits(segment, answer.scores[number], answer.rows[number]))
                complete[number] = complete[number] and answer.complete[number]
        if report is not None:
            report.segments.append(_segment_report(view, search, choice, answer, time.perf_counter() - started))
    return [
        Ranking(
            found=merge(snapshot, hits, search.depth),
            complete=whole and sum(len(part.rows) for part in hits) <= search.depth,
        )
        for hits, whole in zip(parts, complete, strict=True)
    ]


def rank_items(snapshot: Snapshot, selections: Selections, search: FieldSearch, query: Matrix) -> Ranking:
    """`rank_field` for the most frequent case, a single query of a field of items, at less cost beside FAISS's.

    Args:
        query: float32 [1, dimension].
    """
    parts: list[SegmentHits] = []
    allowed = 0
    for segment, count, hits in item_hits(snapshot, selections, search, query):
        allowed += count
        parts.append(SegmentHits(segment, hits.scores[0], hits.rows[0]))
    return Ranking(found=merge(snapshot, parts, search.depth), complete=allowed <= search.depth)


def item_hits(
    snapshot: Snapshot, selections: Selections, search: FieldSearch, queries: Matrix
) -> Iterator[tuple[int, int, SearchHits]]:
    """Searches a field of items in each segment that has any to find: the segment, how many may be found, the hits."""
    for segment, view in enumerate(snapshot.segments):
        choice = _choice(selections, view, search)
        if choice.count:
            yield segment, choice.count, _hits_of_items(view, search, choice, queries)


def _choice(selections: Selections, view: SegmentView, search: FieldSearch) -> Choice:
    return selections.vectors(view, search.field, search.filter, k=search.depth, ef_search=search.ef_search)


def _hits_of_items(view: SegmentView, search: FieldSearch, choice: Choice, queries: Matrix) -> SearchHits:
    index = view.reader.fields[search.field]
    k = min(search.depth, choice.count)
    return index.search_prepared(
        queries, k, selection=choice.selection, gathered=choice.gathered, ef_search=search.ef_search
    )


def _search_items(view: SegmentView, search: FieldSearch, choice: Choice, queries: Matrix) -> _SegmentAnswer:
    hits = _hits_of_items(view, search, choice, queries)
    return _SegmentAnswer(
        scores=list(hits.scores),
        rows=list(hits.rows),
        complete=[choice.count <= search.depth] * len(queries),
        plan=hits.plan,
    )


def _search_objects(view: SegmentView, search: FieldSearch, choice: Choice, queries: Matrix) -> _SegmentAnswer:
    """Fetches objects until they belong to `depth` different items, or there are no more."""
    scores: list[Matrix] = [np.empty(0, dtype=np.float32)] * len(queries)
    rows: list[npt.NDArray[np.int64]] = [np.empty(0, dtype=np.int64)] * len(queries)
    complete = [False] * len(queries)
    pending = list(range(len(queries)))
    objects = min(search.depth * _OBJECTS_PER_ITEM, choice.count)
    index = view.reader.fields[search.field]
    while True:
        hits = index.search_prepared(
            queries[pending],
            objects,
            selection=choice.selection,
            gathered=choice.gathered,
            ef_search=search.ef_search,
        )
        exhausted = objects == choice.count
        still_pending = []
        for position, number in enumerate(pending):
            item_rows = view.reader.object_item_rows[hits.rows[position]]
            _, first = np.unique(item_rows, return_index=True)
            if len(first) < search.depth and not exhausted:
                still_pending.append(number)
                continue
            best_first = np.sort(first)[: search.depth]
            scores[number] = hits.scores[position][best_first]
            rows[number] = item_rows[best_first].astype(np.int64)
            complete[number] = exhausted and len(first) <= search.depth
        if not still_pending:
            return _SegmentAnswer(scores=scores, rows=rows, complete=complete, plan=hits.plan)
        pending = still_pending
        objects = min(objects * _WIDENING, choice.count)


def _segment_report(
    view: SegmentView, search: FieldSearch, choice: Choice, answer: _SegmentAnswer | None, seconds: float
) -> SegmentReport:
    plan = answer.plan if answer is not None else None
    return SegmentReport(
        segment=view.reader.id,
        vectors=view.reader.fields[search.field].rows,
        index=view.reader.fields[search.field].kind,
        selected=choice.count,
        strategy=strategy_of(choice, plan),
        candidates=plan.candidates if plan is not None else None,
        found=len(answer.rows[0]) if answer is not None else 0,
        seconds=seconds,
    )
