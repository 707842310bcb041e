"""Fuses rankings by the weighted sum of their scores, each ranking's scaled to 0..1.

For the score s of an item in a ranking whose best and worst are b and w, the scaled score is (s - w) / (b - w), or 1 if
b = w; an item that a ranking did not find has 0 there. The fused score is the mean of an item's scaled scores over all
rankings, weighted, and so between 0 and 1.
"""

from collections.abc import Sequence

from sightwire_searcher.search.fusion import ABSENT, FusedItem, FusedRanking, added_up, ranked
from sightwire_searcher.search.rankings import Ranking


def fuse_by_normalized_score(rankings: Sequence[Ranking], weights: Sequence[float]) -> FusedRanking:
    """One ranking of everything that one of `rankings` found, by falling fused score, then id.

    Args:
        weights: one per ranking, above 0.
    """
    weight_of_all = sum(weights)
    contributions = [
        [score * weight / weight_of_all for score in _scaled([found.score for found in ranking.found])]
        for ranking, weight in zip(rankings, weights, strict=True)
    ]
    # The best of all rankings may exceed 1 by rounding.
    items = [
        item._replace(found=item.found._replace(score=min(item.found.score, 1.0)))
        for item in added_up(rankings, contributions)
    ]
    return ranked(items, rankings)


def fuse_with_text(fields: FusedRanking, field_weights: Sequence[float], text: Ranking, weight: float) -> FusedRanking:
    """Fuses the ranking of field queries whose scores were averaged with that of a text query, as one with one.

    The averages are scaled like the scores of a single ranking, whose weight is the mean of the fields' weights. Places
    are those of the fields, then that of the text.
    """
    averaged = Ranking([item.found for item in fields.items], fields.complete)
    fused = fuse_by_normalized_score([averaged, text], [sum(field_weights) / len(field_weights), weight])
    places = {item.found.item_id: item.places for item in fields.items}
    absent = (ABSENT,) * len(field_weights)
    items = [FusedItem(item.found, (*places.get(item.found.item_id, absent), item.places[1])) for item in fused.items]
    return FusedRanking(items, fused.complete)


def _scaled(scores: Sequence[float]) -> list[float]:
    """Scores of a ranking, best first, scaled to 0..1."""
    if not scores:
        return []
    best, worst = scores[0], scores[-1]
    if best == worst:
        return [1.0] * len(scores)
    return [(score - worst) / (best - worst) for score in scores]
