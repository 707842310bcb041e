"""Fuses the rankings of several fields by the mean of their scores, for fields of one space.

A picture's caption and the picture itself are compared with the same query vector by the same metric, so that their
scores can be averaged, which keeps how *much* better a match is; ranks forget it. What a field's ranking did not reach
is computed from the stored vectors, so that each item is judged by all fields that it has, and by no others.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sightwire.segments.vectors import Matrix
from sightwire_searcher.search.fusion import FieldPlace, FusedItem, FusedRanking, ranked
from sightwire_searcher.search.rankings import Found, Ranking
from sightwire_searcher.snapshot import Snapshot


def fuse_by_mean_score(
    snapshot: Snapshot,
    rankings: Sequence[Ranking],
    fields: Sequence[str],
    vectors: Sequence[Matrix | None],
    weights: Sequence[float],
) -> FusedRanking:
    """One ranking of everything that a field found, by falling weighted mean score, then id.

    Args:
        snapshot: what was searched.
        rankings: one per field query.
        fields: names of the fields, item fields with the metric cosine.
        vectors: float32 [1, dimension] per field query, normalised; None leaves the field out.
        weights: one per field query, above 0.
    """
    candidates = list({found.item_id: found for ranking in rankings for found in ranking.found}.values())
    scores = np.full((len(candidates), len(fields)), np.nan, dtype=np.float32)
    for number, (field, vector) in enumerate(zip(fields, vectors, strict=True)):
        if vector is not None:
            scores[:, number] = _exact_scores(snapshot, candidates, field, vector)
    means = _weighted_means(scores, np.asarray(weights, dtype=np.float32))
    ranks = [{found.item_id: rank for rank, found in enumerate(ranking.found, start=1)} for ranking in rankings]
    items = [
        FusedItem(
            found._replace(score=mean),
            tuple(
                FieldPlace(0.0 if np.isnan(score) else float(score), rank.get(found.item_id, 0))
                for score, rank in zip(row, ranks, strict=True)
            ),
        )
        for found, mean, row in zip(candidates, means.tolist(), scores, strict=True)
    ]
    return ranked(items, rankings)


def _exact_scores(
    snapshot: Snapshot, candidates: Sequence[Found], field: str, vector: Matrix
) -> npt.NDArray[np.float32]:
    """Scores of the candidates in one field, NaN where an item has no vector; float32 [candidates]."""
    scores = np.full(len(candidates), np.nan, dtype=np.float32)
    segments = np.fromiter((found.segment for found in candidates), dtype=np.int64, count=len(candidates))
    rows = np.fromiter((found.row for found in candidates), dtype=np.int64, count=len(candidates))
    for segment in np.unique(segments).tolist():
        index = snapshot.segments[segment].reader.fields[field]
        members = np.flatnonzero(segments == segment)
        vector_rows = index.vector_rows(rows[members])
        present = vector_rows >= 0
        scores[members[present]] = index.matrix[vector_rows[present]] @ vector[0]
    return scores


def _weighted_means(scores: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean of each row over the values that are there; every row has one."""
    present = ~np.isnan(scores)
    return (np.where(present, scores, np.float32(0)) @ weights / (present @ weights)).astype(np.float32)
