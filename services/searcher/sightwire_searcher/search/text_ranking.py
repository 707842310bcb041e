"""Ranks items by BM25 over all segments of a snapshot.

The score of an item is the sum over the clauses that it matches. A word or phrase scores by BM25 (k1 1.2, b 0.75) in
each part of the item; of the parts the best one counts, and the others with a tenth. A prefix or a fuzzy word scores
its IDF, whichever word was found. IDFs are those of the snapshot: tantivy knows those of the segment, so each word is
boosted by the ratio. What remains of the segment is the average length of a part, by which BM25 judges whether one is
long: the score of a word differs from that in a single segment by at most the factor by which the averages differ.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from tantivy import Occur, Query

from sightwire.segments.text.layout import ROW_FIELD
from sightwire.segments.text.text_index import TextHits, TextIndex
from sightwire_searcher.search.explanation import ClauseReport, TextReport, TextSegmentReport
from sightwire_searcher.search.query import CheckedFilter
from sightwire_searcher.search.rankings import Ranking, SegmentHits, merge
from sightwire_searcher.search.selections import Choice, Selections
from sightwire_searcher.search.text_matching import clause_query, combined, part_query
from sightwire_searcher.search.text_query import CheckedTextQuery, Clause, Phrase
from sightwire_searcher.search.text_statistics import (
    ClauseStatistics,
    clause_statistics,
    inverse_document_frequency,
)
from sightwire_searcher.snapshot import Snapshot

#: What a word counts in the parts of an item beside the best one.
_OTHER_PARTS: Final = 0.1
#: Matches that are fetched at first, of which a filter may leave enough.
_MAX_FIRST_FETCH: Final = 1000
#: A filter that leaves no more items than this becomes a part of the query then.
_MAX_LISTED_ROWS: Final = 2000
_WIDENING: Final = 4


class TextSearch:
    """One text query on one snapshot; ranks to any depth."""

    def __init__(
        self,
        snapshot: Snapshot,
        selections: Selections,
        text: CheckedTextQuery,
        filter_: CheckedFilter | None,
    ) -> None:
        self._snapshot = snapshot
        self._selections = selections
        self._text = text
        self._filter = filter_
        self._indexes = [view.reader.text for view in snapshot.segments]
        self._statistics = clause_statistics(
            [index for index in self._indexes if index is not None],
            sum(view.reader.rows for view in snapshot.segments),
            text,
        )

    def rank(self, depth: int, report: TextReport | None = None) -> Ranking:
        """The best `depth` items.

        Args:
            report: gets an entry per clause and per segment.
        """
        if report is not None:
            report.clauses = [_clause_report(clause, self._statistics.get(clause)) for clause in self._text.clauses]
        parts: list[SegmentHits] = []
        total = 0
        complete = True
        for segment, (view, index) in enumerate(zip(self._snapshot.segments, self._indexes, strict=True)):
            started = time.perf_counter()
            choice = self._selections.items(view, self._filter)
            query = scored_query(index, self._text, self._statistics) if index is not None and choice.count else None
            if index is None or query is None:
                continue
            hits = best_allowed(index, query, depth, choice)
            parts.append(SegmentHits(segment, hits.scores, hits.rows))
            total += len(hits.rows)
            complete = complete and len(hits.rows) == hits.total
            if report is not None:
                seconds = time.perf_counter() - started
                report.segments.append(TextSegmentReport(view.reader.id, choice.count, len(hits.rows), seconds))
        return Ranking(merge(self._snapshot, parts, depth), complete=complete and total <= depth)


def scored_query(
    index: TextIndex, text: CheckedTextQuery, statistics: Mapping[Clause, ClauseStatistics]
) -> Query | None:
    """A text query as one of a segment, scored by the statistics of all; None if nothing in the segment can match."""
    scored = [_scored_clause(index, text.parts, clause, statistics[clause]) for clause in text.included]
    possible = [query for query in scored if query is not None]
    if not possible or (text.require_all and len(possible) < len(scored)):
        return None
    excluded = [clause_query(index.schema, text.parts, clause) for clause in text.excluded]
    return combined(possible, excluded, require_all=text.require_all)


def best_allowed(index: TextIndex, query: Query, k: int, choice: Choice) -> TextHits:
    """The `k` best matches among the items that may be found; `total` is their number only if all of them are given."""
    if choice.selection is None:
        return index.best(query, k)
    wanted = min(k, choice.count)
    fetched = max(wanted, min(wanted * index.rows // choice.count, _MAX_FIRST_FETCH))
    while True:
        hits = index.best(query, fetched)
        allowed = np.flatnonzero(choice.selection.mask[hits.rows])
        exhausted = len(hits.rows) == hits.total
        if len(allowed) >= wanted or exhausted:
            kept = allowed[:k]
            total = len(allowed) if exhausted else len(allowed) + 1
            return TextHits(hits.scores[kept], hits.rows[kept], total)
        if choice.count <= _MAX_LISTED_ROWS:
            rows = Query.term_set_query(index.schema, ROW_FIELD, choice.selection.rows.tolist())
            listed = Query.const_score_query(rows, 0.0)
            return index.best(Query.boolean_query([(Occur.Must, query), (Occur.Must, listed)]), k)
        fetched *= _WIDENING


def _scored_clause(index: TextIndex, parts: Sequence[str], clause: Clause, of_all: ClauseStatistics) -> Query | None:
    if not isinstance(clause.what, Phrase):
        return Query.const_score_query(clause_query(index.schema, parts, clause), of_all.idf)
    scored = []
    for part in parts:
        counts = [index.doc_freq(part, word) for _, word in clause.what.words]
        if min(counts) == 0:
            continue
        idf_here = sum(inverse_document_frequency(index.rows, count) for count in counts)
        scored.append(Query.boost_query(part_query(index.schema, part, clause.what), of_all.idf / idf_here))
    if not scored:
        return None
    return scored[0] if len(scored) == 1 else Query.disjunction_max_query(scored, _OTHER_PARTS)


def _clause_report(clause: Clause, statistics: ClauseStatistics | None) -> ClauseReport:
    if statistics is None:
        return ClauseReport(clause.text, excluded=True)
    return ClauseReport(clause.text, items=statistics.items, idf=statistics.idf)
