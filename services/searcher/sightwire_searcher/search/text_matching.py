"""Which items of a segment a text query matches, without scores: as tantivy queries, and as masks."""

from collections.abc import Sequence

import numpy as np
from tantivy import Occur, Query, Schema

from sightwire.segments.reader import SegmentReader
from sightwire.segments.text.text_index import TextIndex
from sightwire_searcher.filters.columns import Mask
from sightwire_searcher.search.text_query import CheckedTextQuery, Clause, Fuzzy, Phrase, Prefix


def text_mask(reader: SegmentReader, text: CheckedTextQuery) -> Mask:
    """Items of a segment that a text query matches, deleted ones included; bool [rows]."""
    mask = np.zeros(reader.rows, dtype=np.bool_)
    index = reader.text
    if index is not None:
        mask[index.matching_rows(_query(index, text))] = True
    return mask


def clause_query(schema: Schema, parts: Sequence[str], clause: Clause) -> Query:
    """Items with a clause's words in any of `parts`."""
    return any_of([part_query(schema, part, clause.what) for part in parts])


def part_query(schema: Schema, part: str, what: Phrase | Prefix | Fuzzy) -> Query:
    """Items with the words in one part."""
    match what:
        case Phrase(words=((_, word),)):
            return Query.term_query(schema, part, word, "freq")
        case Phrase(words=words):
            return Query.phrase_query(schema, part, list(words))
        case Prefix(before=(), start=start, stem=stem):
            # No letter may differ, but more may follow.
            longer = Query.fuzzy_term_query(schema, part, start, distance=0, prefix=True)
            return any_of([longer, Query.term_query(schema, part, stem, "basic")])
        case Prefix(before=before, start=start):
            return Query.phrase_prefix_query(schema, part, [*before, (before[-1][0] + 1, start)])
        case Fuzzy(spellings=spellings, distance=distance):
            return any_of([Query.fuzzy_term_query(schema, part, spelling, distance) for spelling in spellings])


def any_of(queries: Sequence[Query]) -> Query:
    """Items that match one of the queries."""
    return queries[0] if len(queries) == 1 else Query.boolean_query([(Occur.Should, query) for query in queries])


def combined(included: Sequence[Query], excluded: Sequence[Query], *, require_all: bool) -> Query:
    """Items that match all of `included` or else one, and none of `excluded`."""
    if len(included) == 1 and not excluded:
        return included[0]
    occur = Occur.Must if require_all else Occur.Should
    return Query.boolean_query(
        [*((occur, query) for query in included), *((Occur.MustNot, query) for query in excluded)]
    )


def _query(index: TextIndex, text: CheckedTextQuery) -> Query:
    return combined(
        [clause_query(index.schema, text.parts, clause) for clause in text.included],
        [clause_query(index.schema, text.parts, clause) for clause in text.excluded],
        require_all=text.require_all,
    )
