"""Fuses the rankings of several field queries by reciprocal rank (Cormack, Clarke and Büttcher, SIGIR 2009).

Scores of different fields are not comparable, ranks are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sightwire_searcher.search.rankings import Found, Ranking

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


_ABSENT: Final = FieldPlace(0.0, 0)


def fusion_depth(depth: int, fields: int) -> int:
    """How deep each field is searched for an answer of `depth` items."""
    return depth if fields == 1 else max(_DEPTH_FACTOR * depth, _MIN_DEPTH)


def fuse(rankings: Sequence[Ranking], weights: Sequence[float]) -> FusedRanking:
    """One ranking from those of the field queries. That of a single one keeps its scores."""
    complete = all(ranking.complete for ranking in rankings)
    if len(rankings) == 1:
        items = [
            FusedItem(found, (FieldPlace(found.score, rank),)) for rank, found in enumerate(rankings[0].found, start=1)
        ]
        return FusedRanking(items, complete)
    places: dict[str, list[FieldPlace]] = {}
    positions: dict[str, Found] = {}
    scores: dict[str, float] = {}
    for number, (ranking, weight) in enumerate(zip(rankings, weights, strict=True)):
        for rank, found in enumerate(ranking.found, start=1):
            item_id = found.item_id
            positions.setdefault(item_id, found)
            places.setdefault(item_id, [_ABSENT] * len(rankings))[number] = FieldPlace(found.score, rank)
            scores[item_id] = scores.get(item_id, 0.0) + weight / (RANK_CONSTANT + rank)
    order = sorted(scores, key=lambda item_id: (-scores[item_id], item_id))
    return FusedRanking(
        [FusedItem(positions[item_id]._replace(score=scores[item_id]), tuple(places[item_id])) for item_id in order],
        complete,
    )
