"""How far the measures would differ with other queries of the same kind: the bootstrap over queries.

Percentile intervals. They speak of the choice of the queries alone, not of other candidates or another training seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sightwire.errors import InvalidInputError
from sightwire_trainer.evaluation.measures import MEASURES, QueryMeasures

DEFAULT_RESAMPLES: Final = 2000
DEFAULT_CONFIDENCE: Final = 0.95
#: Resamples whose counts are in memory at once, times queries.
_BLOCK_COUNTS: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A measure, or a difference of two, and where it lies with the confidence that was asked for."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Of a difference: whether it is more than chance."""
        return self.low > 0 or self.high < 0


def bootstrap_intervals(
    measures: QueryMeasures,
    *,
    resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
    seed: int = 0,
) -> dict[str, Interval]:
    """Every measure of `MEASURES` with its interval; the same seed gives the same intervals."""
    drawn = np.concatenate([_summaries(measures, counts) for counts in _draws(len(measures), resamples, seed)])
    return _intervals(measures.summary(), drawn, confidence)


def paired_intervals(
    first: QueryMeasures,
    second: QueryMeasures,
    *,
    resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
    seed: int = 0,
) -> dict[str, Interval]:
    """`first` minus `second`, two models on the same queries in the same order, by drawing queries for both at once.

    Much narrower than the difference of two intervals, as hard queries are hard for both models.
    """
    if len(first) != len(second):
        raise InvalidInputError(f"expected two models on the same queries, got {len(first)} and {len(second)}")
    drawn = np.concatenate(
        [_summaries(first, counts) - _summaries(second, counts) for counts in _draws(len(first), resamples, seed)]
    )
    summaries = first.summary(), second.summary()
    return _intervals({name: summaries[0][name] - summaries[1][name] for name in MEASURES}, drawn, confidence)


def _draws(queries: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each query is drawn, int64 [resamples of the block, queries], until there are `resamples`."""
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK_COUNTS // queries)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(0, queries, (rows, queries)) + np.arange(rows)[:, np.newaxis] * queries
        yield np.bincount(drawn.ravel(), minlength=rows * queries).reshape(rows, queries)


def _summaries(measures: QueryMeasures, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 [resamples, measures in the order of `MEASURES`]."""
    means = counts.astype(np.float64) @ measures.values / len(measures)
    return np.column_stack([means, _medians(measures.first_ranks, counts)])


def _medians(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The median of `values`, each as often as `counts` says, for each row of counts."""
    order = np.argsort(values)
    so_far = np.cumsum(counts[:, order], axis=1)
    size = len(values)
    lower = np.argmax(so_far > (size - 1) // 2, axis=1)
    upper = np.argmax(so_far > size // 2, axis=1)
    ordered = values[order]
    middle: NDArray[np.float64] = (ordered[lower] + ordered[upper]) / 2
    return middle


def _intervals(values: dict[str, float], drawn: NDArray[np.float64], confidence: float) -> dict[str, Interval]:
    outside = (1 - confidence) / 2
    low, high = np.quantile(drawn, [outside, 1 - outside], axis=0)
    return {
        name: Interval(values[name], float(low[column]), float(high[column])) for column, name in enumerate(MEASURES)
    }
