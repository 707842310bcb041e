"""Full-text search of a generation, as far as gates need it: plain words, ranked by BM25 over all segments."""

import math
from typing import Final

from tantivy import Occur, Query

from sightwire.segments.text.analysis import words
from sightwire.segments.text.layout import PARTS, ROW_FIELD
from sightwire.segments.text.text_index import TextIndex
from sightwire_indexer.validation.searching import GenerationSearch, Target

_WIDENING: Final = 4
_MAX_TERMS: Final = 64


def search_words(search: GenerationSearch, text: str, k: int) -> list[str]:
    """Ids of the `k` best items with one of the words of `text`, best first; the same words as a searcher's."""
    terms = list(dict.fromkeys(word.term for word in words(text, search.schema.language)))
    indexes = [segment.reader.text for segment in search.segments]
    items = sum(segment.reader.rows for segment in search.segments)
    holders = {
        term: max(sum(index.doc_freq(part, term) for index in indexes if index is not None) for part in PARTS)
        for term in terms
    }
    found: list[tuple[float, str]] = []
    for position, (segment, index) in enumerate(zip(search.segments, indexes, strict=True)):
        queries = [_term(index, term, items, holders[term]) for term in terms] if index is not None else []
        scored = [query for query in queries if query is not None]
        if index is None or not scored:
            continue
        query = Query.boolean_query([(Occur.Should, query) for query in scored])
        scores, rows = _best_live(search, position, index, query, k)
        found += zip(scores, segment.reader.ids(rows), strict=True)
    return [item_id for _, item_id in sorted(found, key=lambda hit: (-hit[0], hit[1]))[:k]]


def contains_words(search: GenerationSearch, target: Target, text: str) -> bool:
    """Whether an item, by its row, is found by the words of `text` together; true for a text without words.

    Of a long text the first words are enough.
    """
    terms = list(dict.fromkeys(word.term for word in words(text, search.schema.language)))[:_MAX_TERMS]
    if not terms:
        return True
    index = search.segments[target.segment].reader.text
    if index is None:
        return False
    wanted = [Query.term_query(index.schema, "text", term, "basic") for term in terms]
    row = Query.term_query(index.schema, ROW_FIELD, target.row)
    return index.count(Query.boolean_query([(Occur.Must, query) for query in [row, *wanted]])) == 1


def _term(index: TextIndex, term: str, items: int, holders: int) -> Query | None:
    """One word in any part of an item, weighted by how rare it is everywhere instead of in the segment."""
    scored = []
    for part in PARTS:
        here = index.doc_freq(part, term)
        if here:
            weight = _idf(items, holders) / _idf(index.rows, here)
            scored.append(Query.boost_query(Query.term_query(index.schema, part, term, "freq"), weight))
    return Query.disjunction_max_query(scored) if scored else None


def _idf(items: int, holders: int) -> float:
    return math.log1p((items - holders + 0.5) / (holders + 0.5))


def _best_live(
    search: GenerationSearch, position: int, index: TextIndex, query: Query, k: int
) -> tuple[list[float], list[int]]:
    """Scores and rows of the `k` best matches that are not deleted; all of them if there are fewer."""
    deletes = search.segments[position].deletes
    fetched = k
    while True:
        hits = index.best(query, fetched)
        live = [number for number, row in enumerate(hits.rows.tolist()) if row not in deletes]
        if len(live) >= k or len(hits.rows) == hits.total:
            return hits.scores[live[:k]].tolist(), hits.rows[live[:k]].tolist()
        fetched *= _WIDENING
