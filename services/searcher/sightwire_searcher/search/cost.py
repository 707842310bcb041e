"""What a query will cost, as far as that can be told without answering it."""

from typing import Final

from sightwire_searcher.search.query import Query
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.snapshot import Snapshot

#: What visiting a segment costs beside its vectors, in multiplications.
_PRODUCTS_PER_SEGMENT: Final = 100_000
_MAX_RESULTS: Final = 100


def estimated_products(snapshot: Snapshot, selections: Selections, query: Query) -> int | None:
    """Multiplications that the distances of a query take; None if that is not known beforehand, or not all it takes."""
    if not query.is_plain or query.k > _MAX_RESULTS:
        return None
    target = query.targets[0]
    distances = 0
    for view in snapshot.segments:
        choice = selections.known_vectors(view, target.field, query.filter)
        if choice is None:
            return None
        index = view.reader.fields[target.field]
        expected = index.expected_distances(allowed=choice.count, k=query.k, ef_search=target.ef_search)
        if expected is None:
            return None
        distances += expected
    dimension = snapshot.record.dimension(target.field)
    return distances * dimension + len(snapshot.segments) * _PRODUCTS_PER_SEGMENT
