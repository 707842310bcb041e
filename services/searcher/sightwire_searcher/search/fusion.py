"""Fuses the rankings of several field queries by reciprocal rank (Cormack, Clarke and Büttcher, SIGIR 2009).

Scores of different fields are not comparable, ranks are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sightwire_searcher.search.rankings import Found, Ranking, by_score_then_id

#: How little the first ranks stand out; the authors' value.
RANK_CONSTANT: Final = 60
#: Fields are searched deeper than the answer reaches: what is middling everywhere can come out on top.
_DEPTH_FACTOR: Final = 2
_MIN_DEPTH: Final = 100


class FieldPlace(NamedTuple):
    """Score and 1-based rank in one field's ranking; rank 0: the field did not find the item."""

    score: float
    rank: int


class FusedItem(NamedTuple):
    """An item of the final ranking, with its place in each field's, in the order of the field queries."""

    found: Found
    places: tuple[FieldPlace, ...]


@dataclass(frozen=True, slots=True)
class FusedRanking:
    """Items by falling score, then id. `complete`: there are no others that may be found."""

    items: list[FusedItem]
    complete: bool


#: Place of an item in a ranking that did not find it.
ABSENT: Final = FieldPlace(0.0, 0)


def fusion_depth(depth: int, fields: int) -> int:
    """How deep each field is searched for an answer of `depth` items."""
    return depth if fields == 1 else max(_DEPTH_FACTOR * depth, _MIN_DEPTH)


def fuse(rankings: Sequence[Ranking], weights: Sequence[float]) -> FusedRanking:
    """One ranking from those of the field queries. That of a single one keeps its scores."""
    if len(rankings) == 1:
        items = [
            FusedItem(found, (FieldPlace(found.score, rank),)) for rank, found in enumerate(rankings[0].found, start=1)
        ]
        return FusedRanking(items, rankings[0].complete)
    contributions = [
        [weight / (RANK_CONSTANT + rank) for rank in range(1, len(ranking.found) + 1)]
        for ranking, weight in zip(rankings, weights, strict=True)
    ]
    return ranked(added_up(rankings, contributions), rankings)


def added_up(rankings: Sequence[Ranking], contributions: Sequence[Sequence[float]]) -> list[FusedItem]:
    """Everything that one of `rankings` found, in no order; the score of an item is the sum of its contributions.

    Args:
        contributions: per ranking, what each of its entries adds.
    """
    places: dict[str, list[FieldPlace]] = {}
    positions: dict[str, Found] = {}
    scores: dict[str, float] = {}
    for number, (ranking, of_ranking) in enumerate(zip(rankings, contributions, strict=True)):
        for rank, (found, contribution) in enumerate(zip(ranking.found, of_ranking, strict=True), start=1):
            item_id = found.item_id
            positions.setdefault(item_id, found)
            places.setdefault(item_id, [ABSENT] * len(rankings))[number] = FieldPlace(found.score, rank)
            scores[item_id] = scores.get(item_id, 0.0) + contribution
    return [
        FusedItem(positions[item_id]._replace(score=score), tuple(places[item_id])) for item_id, score in scores.items()
    ]


def ranked(items: list[FusedItem], rankings: Sequence[Ranking]) -> FusedRanking:
    """Items that were fused from `rankings`, put in order."""
    items.sort(key=lambda item: by_score_then_id(item.found))
    return FusedRanking(items, all(ranking.complete for ranking in rankings))
