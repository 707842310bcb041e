"""How to search one field of one segment: exactly, or through its graph and with what effort."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """`ef_search` is the number of candidates that the graph search keeps; None for exact search."""

    ef_search: int | None

    @property
    def exact(self) -> bool:
        return self.ef_search is None


def plan_search(*, rows: int, allowed: int, k: int, ef_search: int, graph_m: int | None) -> SearchPlan:
    """Chooses the cheaper way that still finds `k` good neighbours among `allowed` of `rows` vectors.

    A filtered graph search walks through forbidden vectors as well, and only the allowed ones among its candidates
    count: to keep recall it needs `1 / selectivity` times the candidates, and computes about `m` distances for each.
    Exact search over the survivors computes `allowed` distances, and misses nothing.

    Args:
        graph_m: the graph's links per vector; None for a field without a graph.
    """
    if graph_m is None or allowed <= k:
        return SearchPlan(ef_search=None)
    wanted_candidates = max(ef_search, k)
    candidates = math.ceil(wanted_candidates * rows / allowed)
    if candidates * graph_m >= allowed:
        return SearchPlan(ef_search=None)
    return SearchPlan(ef_search=candidates)
