"""How well a ranking of items answers a query, and how alike two rankings are."""

import math
from collections.abc import Collection, Sequence


def recall_at(ranking: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of the relevant items that are among the first `k`; of more than `k` relevant ones, `k` would be all."""
    found = sum(item in relevant for item in ranking[:k])
    return found / min(len(relevant), k)


def ndcg_at(ranking: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Normalised discounted cumulative gain of the first `k`, where an item is relevant or is not."""
    gained = sum(_gain(place) for place, item in enumerate(ranking[:k]) if item in relevant)
    return gained / sum(_gain(place) for place in range(min(len(relevant), k)))


def overlap_at(one: Sequence[str], other: Sequence[str], k: int) -> float:
    """Share of the first `k` items that two rankings have in common, in whatever order; 1 for two empty ones."""
    first, second = set(one[:k]), set(other[:k])
    longer = max(len(first), len(second))
    return len(first & second) / longer if longer else 1.0


def _gain(place: int) -> float:
    return 1 / math.log2(place + 2)
