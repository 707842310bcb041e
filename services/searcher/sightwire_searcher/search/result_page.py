"""The page of a query: hits one by one, or in groups, from any ranking that can be had to any depth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sightwire_searcher.search.fusion import FusedItem, FusedRanking
from sightwire_searcher.search.grouping import find_groups, metadata_values
from sightwire_searcher.search.paging import joined, step_ends
from sightwire_searcher.search.query import Query
from sightwire_searcher.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class ResultPage:
    """What a query answers with; `more`: there may be other results after these."""

    items: Sequence[FusedItem]
    more: bool
    #: Value of each item's group, None without one; empty unless grouped.
    group_values: Sequence[object] = ()


def page_of(ranking: FusedRanking, query: Query) -> ResultPage:
    """The query's page of a ranking that is deep enough."""
    end = query.offset + query.k
    return ResultPage(ranking.items[query.offset : end], more=len(ranking.items) > end or not ranking.complete)


def find_page(snapshot: Snapshot, query: Query, rank: Callable[[int], FusedRanking]) -> ResultPage:
    """The query's page.

    Args:
        rank: the ranking to a depth; where the query has an `order`, deeper ones only add to shallower ones.
    """
    if query.group is not None:
        values_of = metadata_values(snapshot, query.group.field)
        page = find_groups(rank, values_of, k=query.k, offset=query.offset, size=query.group.size)
        return ResultPage(
            [item for group in page.groups for item in group.items],
            page.more,
            [group.value for group in page.groups for _ in group.items],
        )
    if query.order is not None:
        return page_of(rank(query.offset + query.k), query)
    ends = step_ends(query.k, query.offset)
    steps = [rank(end) for end in ends]
    return page_of(FusedRanking(joined(steps, ends), steps[-1].complete), query)
