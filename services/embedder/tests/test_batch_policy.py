"""How large batches are and whether they wait, for measured latencies."""

import pytest
from sightwire_embedder.batching.policy import BatchPolicy, policy_from_latencies
from sightwire_embedder.batching.turns import Priority

PROPORTIONAL = {1: 0.004, 2: 0.008, 4: 0.016, 8: 0.032}
GAINING = {1: 0.0035, 2: 0.006, 4: 0.0111, 8: 0.0211, 16: 0.0423, 32: 0.0836}
FLAT = {1: 0.002, 2: 0.002, 4: 0.0021, 8: 0.0022, 16: 0.0025, 32: 0.0033}
SLOW = {1: 0.3, 2: 0.4}


@pytest.mark.parametrize(
    ("latencies", "queries", "ingest"),
    [
        pytest.param({1: 0.004, 2: 0.009, 4: 0.019}, 1, 1, id="batching only loses, so nothing is batched"),
        pytest.param(PROPORTIONAL, 1, 8, id="batching gains nothing in the model: queries alone, ingest together"),
        pytest.param(GAINING, 8, 32, id="the smallest and the largest within 5% of the best throughput"),
        pytest.param(FLAT, 32, 32, id="a GPU: the largest for both"),
        pytest.param(SLOW, 1, 1, id="every call is too long, so the shortest"),
        pytest.param({1: 0.05, 2: 0.09, 4: 0.12}, 2, 2, id="not longer than the longest allowed call"),
    ],
)
def test_budgets(latencies, queries, ingest):
    policy = policy_from_latencies(latencies, max_call_seconds=0.1)
    assert (policy.budget(Priority.QUERY), policy.budget(Priority.INGEST)) == (queries, ingest)
    assert policy.budget(Priority.REEMBED) == ingest


def test_budgets_are_in_units_of_cost():
    assert policy_from_latencies(GAINING, unit_cost=16).query_budget == 8 * 16


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [
        pytest.param(PROPORTIONAL, 0.0, id="two cost twice one: never wait"),
        pytest.param(GAINING, 0.0, id="two cost 1.7 times one: still never"),
        pytest.param(FLAT, 0.001, id="two cost as much as one: wait half a call"),
        pytest.param({1: 0.004}, 0.0, id="unknown: never"),
    ],
)
def test_wait(latencies, expected):
    assert policy_from_latencies(latencies).wait_seconds == pytest.approx(expected)


def test_latency_of_one_is_needed():
    with pytest.raises(ValueError, match=r"sizes \[2\]"):
        policy_from_latencies({2: 0.1})


def test_policies_are_values():
    assert BatchPolicy(8, 16) == BatchPolicy(8, 16, 0.0)
