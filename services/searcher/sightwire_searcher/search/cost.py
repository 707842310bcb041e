"""What a query will cost, as far as that can be told without answering it."""

from typing import Final

from sightwire.segments.search_plan import plan_search
from sightwire_searcher.search.query import Query
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.snapshot import Snapshot

#: What visiting a segment costs beside its vectors, in multiplications.
_PRODUCTS_PER_SEGMENT: Final = 100_000
_MAX_RESULTS: Final = 100


def estimated_products(snapshot: Snapshot, selections: Selections, query: Query) -> int | None:
    """Multiplications that the distances of a query take; None if that is not known beforehand, or not all it takes."""
    if query.batch_key is None:
        return None
    target = query.targets[0]
    if target.per_object or query.k > _MAX_RESULTS:
        return None
    distances = 0
    for view in snapshot.segments:
        choice = selections.known_vectors(view, target.field, query.filter)
        if choice is None:
            return None
        description = view.reader.fields[target.field].description
        links = description.graph.m if description.graph is not None else None
        plan = plan_search(
            rows=description.rows, allowed=choice.count, k=query.k, ef_search=query.ef_search, graph_m=links
        )
        if plan.ef_search is None or links is None:
            distances += choice.count
        elif choice.selection is None:
            # The lowest level of the graph has twice the links.
            distances += plan.ef_search * 2 * links
        else:
            # It may have to look farther.
            return None
    dimension = snapshot.record.dimension(target.field)
    return distances * dimension + len(snapshot.segments) * _PRODUCTS_PER_SEGMENT
