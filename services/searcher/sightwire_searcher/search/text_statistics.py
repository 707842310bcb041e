"""How rare the words of a text query are in a whole snapshot, so that scores do not depend on how items are spread.

A word counts as often as it does in the part where it is most frequent: a class that was detected once is not worth
more than the same word in a hundred captions. Deleted items count until a merge drops them, as in any BM25 index.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sightwire.segments.text.text_index import TextIndex
from sightwire_searcher.search.text_matching import clause_query
from sightwire_searcher.search.text_query import CheckedTextQuery, Clause, Phrase


@dataclass(frozen=True, slots=True)
class ClauseStatistics:
    """Items that have the words of a clause (for a phrase, of its rarest word), and what finding them is worth."""

    items: int
    idf: float


def inverse_document_frequency(items: int, items_with_word: int) -> float:
    """IDF of BM25 as tantivy computes it; above 0."""
    return math.log1p((items - items_with_word + 0.5) / (items_with_word + 0.5))


def clause_statistics(
    indexes: Sequence[TextIndex], items: int, text: CheckedTextQuery
) -> dict[Clause, ClauseStatistics]:
    """Statistics of the clauses that are not excluded.

    Args:
        indexes: those of all segments that have one.
        items: of all segments, deleted ones and those without words included.
    """
    return {clause: _statistics(indexes, items, text.parts, clause) for clause in text.included}


def _statistics(indexes: Sequence[TextIndex], items: int, parts: Sequence[str], clause: Clause) -> ClauseStatistics:
    if isinstance(clause.what, Phrase):
        counts = [
            max(sum(index.doc_freq(part, word) for index in indexes) for part in parts) for _, word in clause.what.words
        ]
        return ClauseStatistics(min(counts), sum(inverse_document_frequency(items, count) for count in counts))
    found = sum(index.count(clause_query(index.schema, parts, clause)) for index in indexes)
    return ClauseStatistics(found, inverse_document_frequency(items, found))
