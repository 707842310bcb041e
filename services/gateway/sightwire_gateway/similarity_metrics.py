"""Metrics of the product similarity routes."""

from collections.abc import Iterable
from typing import Final

import numpy as np
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sightwire.telemetry.metrics import FAST_BUCKETS
from sightwire_gateway.similarity import SCORE_BOUNDS, Comparison

_QUERIES: Final = Counter("sightwire_gateway_similarity_queries_total", "Queries compared with descriptions")
_PAIRS: Final = Counter("sightwire_gateway_similarity_pairs_total", "Pairs of a query and a description compared")
_SECONDS: Final = Histogram(
    "sightwire_gateway_similarity_duration_seconds",
    "Time to embed and compare the texts of a request",
    buckets=(*FAST_BUCKETS, 5.0, 10.0, 30.0),
)
_TOP_MEAN: Final = Histogram(
    "sightwire_gateway_similarity_top_k_mean",
    "Mean similarity of a query's best descriptions: as many as were asked for, else ten",
    buckets=SCORE_BOUNDS,
)
_JUDGED: Final = Counter("sightwire_gateway_similarity_judged_pairs_total", "Pairs compared with a threshold")
_BELOW: Final = Counter("sightwire_gateway_similarity_below_threshold_total", "Pairs under the threshold")
_BELOW_SHARE: Final = Gauge(
    "sightwire_gateway_similarity_below_threshold_ratio", "Share of pairs under the threshold since the start"
)


_SCORE_NAME: Final = "sightwire_gateway_similarity_score"
_SCORE_MEANING: Final = "Similarities of all pairs"


class _ScoreHistogram(Collector):
    """Counts as many scores at once as a request has: one by one would cost more than to compute them."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(SCORE_BOUNDS), np.int64)
        self._total = 0.0
        self._judged = self._below = 0

    @property
    def share_below(self) -> float:
        """Of pairs that were compared with a threshold those under it."""
        return self._below / self._judged if self._judged else 0.0

    def add(self, comparison: Comparison) -> None:
        self._counts = self._counts + comparison.counts
        self._total += comparison.total
        if comparison.below is not None:
            self._judged += comparison.pairs
            self._below += comparison.below

    def describe(self) -> Iterable[Metric]:
        return [HistogramMetricFamily(_SCORE_NAME, _SCORE_MEANING)]

    def collect(self) -> Iterable[Metric]:
        bounds = (*(str(bound) for bound in SCORE_BOUNDS[:-1]), "+Inf")
        cumulative = [float(count) for count in np.cumsum(self._counts)]
        buckets = list(zip(bounds, cumulative, strict=True))
        yield HistogramMetricFamily(_SCORE_NAME, _SCORE_MEANING, buckets=buckets, sum_value=self._total)


_SCORES: Final = _ScoreHistogram()
REGISTRY.register(_SCORES)
_BELOW_SHARE.set_function(lambda: _SCORES.share_below)


def count(comparison: Comparison, seconds: float) -> None:
    """Counts a request."""
    _QUERIES.inc(len(comparison.ranked))
    _PAIRS.inc(comparison.pairs)
    _SECONDS.observe(seconds)
    _SCORES.add(comparison)
    for mean in comparison.top_means:
        _TOP_MEAN.observe(mean)
    if comparison.below is not None:
        _JUDGED.inc(comparison.pairs)
        _BELOW.inc(comparison.below)
