"""From ranks to the measures of retrieval: for each query, and for all of them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sightwire_trainer.evaluation.ranks import RelevantRanks

Values = NDArray[np.float64]

MEDIAN_RANK: Final = "median_rank"
#: Measures that are means over the queries.
MEAN_MEASURES: Final = (
    "recall_at_1",
    "recall_at_5",
    "recall_at_10",
    "mean_reciprocal_rank",
    "mean_average_precision",
    "ndcg_at_10",
)
MEASURES: Final = (*MEAN_MEASURES, MEDIAN_RANK)
_NDCG_DEPTH: Final = 10


@dataclass(frozen=True, slots=True)
class QueryMeasures:
    """What each query is worth."""

    #: float64 [queries, measures], in the order of `MEAN_MEASURES`.
    values: Values
    #: float64 [queries]: rank of the best relevant candidate.
    first_ranks: Values

    def __len__(self) -> int:
        return len(self.first_ranks)

    def summary(self) -> dict[str, float]:
        """Every measure over all queries, by its name in `MEASURES`."""
        means = dict(zip(MEAN_MEASURES, self.values.mean(axis=0).tolist(), strict=True))
        return {**means, MEDIAN_RANK: float(np.median(self.first_ranks))}


def query_measures(ranks: RelevantRanks) -> QueryMeasures:
    """The measures of each query.

    `recall_at_k` is 1 when any relevant candidate is among the first k (a hit rate: who searches wants one good
    answer). Average precision and nDCG, whose gains are 0 and 1, count all relevant candidates.
    """
    first = ranks.first
    hits = [(first <= k).astype(np.float64) for k in (1, 5, 10)]
    values = np.stack([*hits, 1 / first, _average_precision(ranks), _ndcg(ranks, _NDCG_DEPTH)], axis=1)
    return QueryMeasures(values, first)


def _place_in_query(ranks: RelevantRanks) -> Values:
    """1, 2, 3 … for the relevant candidates of each query, beside `ranks.ranks`."""
    counts = np.diff(ranks.offsets)
    return np.arange(1, len(ranks.ranks) + 1, dtype=np.float64) - np.repeat(ranks.offsets[:-1], counts)


def _average_precision(ranks: RelevantRanks) -> Values:
    precisions = _place_in_query(ranks) / ranks.ranks
    means: Values = np.add.reduceat(precisions, ranks.offsets[:-1]) / np.diff(ranks.offsets)
    return means


def _ndcg(ranks: RelevantRanks, depth: int) -> Values:
    places = _place_in_query(ranks)
    starts = ranks.offsets[:-1]
    gained: Values = np.add.reduceat(np.where(ranks.ranks <= depth, 1 / np.log2(1 + ranks.ranks), 0.0), starts)
    possible: Values = np.add.reduceat(np.where(places <= depth, 1 / np.log2(1 + places), 0.0), starts)
    return gained / possible
