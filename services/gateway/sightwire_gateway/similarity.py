"""Texts compared with texts: cosine similarities of all pairs, and their ranking. Computes only."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]

#: Upper bounds of the intervals in which scores are counted: the first is that of all scores below 0 (Prometheus tells
#: no sum of a histogram with negative bounds), the last one that of all.
SCORE_BOUNDS: Final = tuple(step / 20 for step in range(21))
#: Decimals of a score.
SCORE_DIGITS: Final = 6
#: Of how many best scores the mean is told where no number of them is asked for.
DEFAULT_TOP: Final = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of all pairs.

    Attributes:
        ranked: for each query the positions of its descriptions, best first, and their scores.
        top_means: for each query the mean of its best scores, whatever the threshold.
        counts: pairs by `SCORE_BOUNDS`.
        total: sum of all scores.
        below: pairs under the threshold; None without one.
    """

    ranked: list[tuple[NDArray[np.intp], Scores]]
    top_means: list[float]
    counts: NDArray[np.int64]
    total: float
    below: int | None

    @property
    def pairs(self) -> int:
        return int(self.counts.sum())


def compare(
    queries: NDArray[np.float32], descriptions: NDArray[np.float32], *, threshold: float | None, top_k: int | None
) -> Comparison:
    """Compares each query with each description.

    Args:
        queries: float32 [queries, dimension].
        descriptions: float32 [descriptions, dimension].
        threshold: pairs with a lower score are left out of the ranking.
        top_k: at most so many for each query.
    """
    scores = cosine_similarities(queries, descriptions)
    best = np.sort(scores, axis=1)[:, ::-1][:, : top_k or DEFAULT_TOP]
    counts, _ = np.histogram(scores, bins=(-np.inf, *SCORE_BOUNDS[:-1], np.inf))
    return Comparison(
        ranked=[rank(row, threshold=threshold, top_k=top_k) for row in scores],
        top_means=best.mean(axis=1, dtype=np.float64).tolist(),
        counts=counts,
        total=float(scores.sum(dtype=np.float64)),
        below=None if threshold is None else int(np.count_nonzero(scores < threshold)),
    )


def cosine_similarities(queries: NDArray[np.float32], descriptions: NDArray[np.float32]) -> Scores:
    """Of each query with each description, -1 to 1, float32 [queries, descriptions]; 0 with a vector of zeros."""
    products: Scores = _normalised(queries) @ _normalised(descriptions).T
    # Rounded: a text is as near to itself as can be, whatever the last bits say.
    return np.round(products, SCORE_DIGITS).clip(-1, 1)


def rank(scores: Scores, *, threshold: float | None, top_k: int | None) -> tuple[NDArray[np.intp], Scores]:
    """Positions of the best of `scores` [descriptions], best first and equal ones in their order; and their scores."""
    order = np.argsort(-scores, kind="stable")[:top_k]
    ranked = scores[order]
    if threshold is not None:
        is_enough = ranked >= threshold
        order, ranked = order[is_enough], ranked[is_enough]
    return order, ranked


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    normalised = np.zeros_like(vectors)
    np.divide(vectors, lengths, out=normalised, where=lengths > 0)
    return normalised
