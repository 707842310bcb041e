"""How to search one field of one segment: exactly, or through its index and with how many candidates."""

import math
from dataclasses import dataclass
from typing import Final

#: Of a filtered graph search's candidates, nearest first, those that may decide the answer. A graph walk leaves gaps
#: among its farthest candidates, so an answer that reaches into them would miss some.
RELIABLE_SHARE: Final = 2 / 3
#: Candidates that a graph search keeps for each vector on the way that does not pass the filter. With two, recall is
#: what it is without a filter, measured with a half to a tenth of the vectors allowed.
_CANDIDATES_PER_NOT_PASSING: Final = 2
#: How much farther a graph search looks when too few of its candidates passed the filter.
_WIDENING: Final = 8
#: How many times cheaper than exact search that must be.
_SAVING_OF_SECOND_WALK: Final = 2
#: How many times quicker the vectors of a copy are compared, which lie one after the other, than those that a walk
#: meets; measured with 384 dimensions.
_SAVING_OF_COPY: Final = 5
#: Vectors that inverted lists compare for each candidate that is compared again: a list is no neighbourhood, so the
#: candidates must be few of what was read.
_COMPARED_PER_CANDIDATE: Final = 4


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """`candidates` is how many vectors a graph search keeps, or inverted lists compare; None for exact search."""

    candidates: int | None
    #: Of what inverted lists compared by codes, the best so many are compared again with the whole vectors.
    compared_again: int = 0

    @property
    def exact(self) -> bool:
        return self.candidates is None


EXACT_SEARCH: Final = SearchPlan(candidates=None)


def plan_search(*, rows: int, allowed: int, k: int, ef_search: int, graph_m: int | None) -> SearchPlan:
    """Chooses the cheaper way that still finds `k` good neighbours among `allowed` of `rows` vectors.

    Of a graph search's candidates only the allowed ones count, and the last of `k` is the `k * rows / allowed`-th of
    all vectors. To reach it as surely as a search of all reaches its `k`-th, the walk keeps some candidates more for
    each vector on the way that does not pass. It computes about `m` distances for each candidate; exact search over the
    survivors computes `allowed`, and misses nothing.

    Args:
        graph_m: the graph's links per vector; None for a field without a graph.
    """
    if graph_m is None or allowed <= k:
        return EXACT_SEARCH
    if allowed == rows:
        return _affordable(max(ef_search, k), allowed, graph_m)
    not_passing = k * (rows / allowed - 1)
    # The answer must lie within the reliable share of the candidates, hence the 2.
    candidates = max(ef_search, 2 * k) + math.ceil(_CANDIDATES_PER_NOT_PASSING * not_passing)
    return _affordable(candidates, allowed, graph_m)


def gathering_pays(plan: SearchPlan, *, allowed: int, graph_m: int | None) -> bool:
    """Whether exact search among a copy of the allowed vectors is cheaper than `plan`.

    Args:
        graph_m: the links per vector of a graph over whole vectors; None for a field without one.
    """
    if plan.candidates is None:
        return True
    return graph_m is not None and allowed < _SAVING_OF_COPY * plan.candidates * graph_m


def plan_list_search(*, rows: int, allowed: int, candidates: int, lists: int, probes: int) -> SearchPlan:
    """Chooses between inverted lists and exact search over the survivors.

    The lists compute distances only for allowed vectors, so with a filter a search reads more lists at the same cost:
    until it compared as many vectors as `probes` lists hold on average. Exact search is cheaper for fewer than that.

    Args:
        candidates: vectors that are compared again with the whole query.
        lists: inverted lists of the field.
    """
    compared = max(math.ceil(rows * min(probes, lists) / lists), _COMPARED_PER_CANDIDATE * candidates)
    return SearchPlan(compared, compared_again=candidates) if compared < allowed else EXACT_SEARCH


def widened_plan(plan: SearchPlan, *, allowed: int, graph_m: int) -> SearchPlan:
    """What to do after a filtered graph search found too few allowed vectors near the query.

    That is what happens when the filter speaks against the query: the share of allowed vectors around the query is then
    much lower than in the whole segment. A walk that looks farther may fail as well, so it must be much cheaper than
    exact search.
    """
    assert plan.candidates is not None, "an exact search misses nothing"
    return _affordable(plan.candidates * _WIDENING, allowed // _SAVING_OF_SECOND_WALK, graph_m)


def _affordable(candidates: int, allowed: int, graph_m: int) -> SearchPlan:
    return SearchPlan(candidates) if candidates * graph_m < allowed else EXACT_SEARCH
