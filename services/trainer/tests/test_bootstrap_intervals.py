"""Intervals of measures and of differences, against a plain loop and against what theory says."""

import numpy as np
import pytest
from sightwire_trainer.evaluation.intervals import bootstrap_intervals, paired_intervals
from sightwire_trainer.evaluation.measures import MEASURES, QueryMeasures, query_measures
from sightwire_trainer.evaluation.ranks import RelevantRanks

from sightwire.errors import InvalidInputError


def of_first_ranks(ranks) -> QueryMeasures:
    return query_measures(RelevantRanks(np.asarray(ranks, np.float64), np.arange(len(ranks) + 1)))


@pytest.fixture(scope="module")
def measures() -> QueryMeasures:
    return of_first_ranks(np.random.default_rng(5).integers(1, 40, 401))


def test_intervals_are_those_of_a_plain_loop(measures):
    found = bootstrap_intervals(measures, resamples=300, seed=7)
    drawn = np.random.default_rng(7).integers(0, len(measures), (300, len(measures)))
    summaries = [QueryMeasures(measures.values[rows], measures.first_ranks[rows]).summary() for rows in drawn]
    for name in MEASURES:
        low, high = np.quantile([summary[name] for summary in summaries], [0.025, 0.975])
        assert (found[name].low, found[name].high) == pytest.approx((low, high))
        assert found[name].value == measures.summary()[name]


def test_a_share_has_the_interval_of_the_binomial():
    measures = of_first_ranks([1] * 300 + [20] * 700)
    interval = bootstrap_intervals(measures, resamples=4000)["recall_at_1"]
    deviation = (0.3 * 0.7 / 1000) ** 0.5
    assert interval.low == pytest.approx(0.3 - 1.96 * deviation, abs=0.004)
    assert interval.high == pytest.approx(0.3 + 1.96 * deviation, abs=0.004)


def test_the_seed_decides(measures):
    first, again, other = (bootstrap_intervals(measures, resamples=50, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_large_sets_are_drawn_in_blocks(measures, monkeypatch):
    at_once = bootstrap_intervals(measures, resamples=40, seed=3)
    monkeypatch.setattr("sightwire_trainer.evaluation.intervals._BLOCK_COUNTS", 1000)
    assert bootstrap_intervals(measures, resamples=40, seed=3) == at_once


def test_a_model_does_not_differ_from_itself(measures):
    for interval in paired_intervals(measures, measures, resamples=100).values():
        assert (interval.value, interval.low, interval.high) == (0, 0, 0)
        assert not interval.excludes_zero


def test_a_small_gain_on_the_same_queries_is_seen():
    generator = np.random.default_rng(0)
    ranks = generator.integers(1, 30, 800)
    better = np.where(generator.random(800) < 0.1, 1, ranks)
    difference = paired_intervals(of_first_ranks(better), of_first_ranks(ranks))["recall_at_1"]
    assert difference.low > 0
    assert difference.excludes_zero
    alone = bootstrap_intervals(of_first_ranks(better))["recall_at_1"]
    assert difference.high - difference.low < alone.high - alone.low + 1e-3


def test_different_queries_cannot_be_paired(measures):
    with pytest.raises(InvalidInputError, match="the same queries, got 401 and 3"):
        paired_intervals(measures, of_first_ranks([1, 2, 3]))
