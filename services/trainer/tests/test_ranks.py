"""Ranks and measures against naive versions: all orders of tied candidates are tried one by one."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sightwire_trainer.evaluation.measures import MEASURES, query_measures
from sightwire_trainer.evaluation.ranks import RelevantRanks, nearest, relevant_ranks
from sightwire_trainer.evaluation.retrieval import evaluate_retrieval

from sightwire.errors import InvalidInputError, InvalidVectorError

#: So small that scores are exact and ties common.
COORDINATES = st.integers(-2, 2)


@st.composite
def searches(draw, most_candidates=6):
    """Queries, candidates, relevant rows, and the row of each query itself."""
    dimension = draw(st.integers(1, 3))
    vector = st.lists(COORDINATES, min_size=dimension, max_size=dimension)
    candidates = draw(st.lists(vector, min_size=2, max_size=most_candidates))
    queries = draw(st.lists(vector, min_size=1, max_size=4))
    itself, relevant = [], []
    for _ in queries:
        own = draw(st.integers(-1, len(candidates) - 1))
        others = [row for row in range(len(candidates)) if row != own]
        itself.append(own)
        relevant.append(sorted(draw(st.sets(st.sampled_from(others), min_size=1))))
    return np.array(queries, np.float32), np.array(candidates, np.float32), relevant, np.array(itself)


def naive_ranks(query, candidates, relevant, own):
    """Mean ranks of the relevant, over all orders of the candidates that the scores allow."""
    scores = {row: float(query @ vector) for row, vector in enumerate(candidates) if row != own}
    orders = [
        order
        for order in itertools.permutations(scores)
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    places = [[place for place, row in enumerate(order, 1) if row in relevant] for order in orders]
    return np.mean(places, axis=0)


@given(searches())
@settings(max_examples=150, deadline=None)
def test_ranks_are_the_mean_over_all_orders(search):
    queries, candidates, relevant, itself = search
    found = relevant_ranks(queries, candidates, relevant, itself=itself, block_bytes=1)
    for query in range(len(queries)):
        expected = naive_ranks(queries[query], candidates, relevant[query], itself[query])
        np.testing.assert_allclose(found.ranks[found.offsets[query] : found.offsets[query + 1]], expected)


@given(searches(most_candidates=30), st.integers(1, 2000))
@settings(max_examples=50, deadline=None)
def test_blocks_do_not_matter(search, block_bytes):
    queries, candidates, relevant, itself = search
    in_blocks = relevant_ranks(queries, candidates, relevant, itself=itself, block_bytes=block_bytes)
    at_once = relevant_ranks(queries, candidates, relevant, itself=itself)
    np.testing.assert_array_equal(in_blocks.ranks, at_once.ranks)


@st.composite
def rank_lists(draw):
    """Rising ranks of the relevant of each query, whole or between two places."""
    rank = st.integers(2, 60).map(lambda twice: twice / 2)
    return [sorted(ranks) for ranks in draw(st.lists(st.lists(rank, min_size=1, unique=True), min_size=1, max_size=6))]


def naive_measures(ranks):
    gains = sum(1 / math.log2(1 + rank) for rank in ranks if rank <= 10)
    possible = sum(1 / math.log2(1 + place) for place in range(1, min(10, len(ranks)) + 1))
    return {
        **{f"recall_at_{k}": float(any(rank <= k for rank in ranks)) for k in (1, 5, 10)},
        "mean_reciprocal_rank": 1 / min(ranks),
        "mean_average_precision": sum(place / rank for place, rank in enumerate(ranks, 1)) / len(ranks),
        "ndcg_at_10": gains / possible,
        "median_rank": min(ranks),
    }


@given(rank_lists())
def test_measures_are_those_of_the_textbook(lists):
    offsets = np.concatenate([[0], np.cumsum([len(ranks) for ranks in lists])])
    found = query_measures(RelevantRanks(np.concatenate([np.array(ranks) for ranks in lists]), offsets)).summary()
    expected = [naive_measures(ranks) for ranks in lists]
    for name in MEASURES:
        over_queries = np.median if name == "median_rank" else np.mean
        assert found[name] == pytest.approx(over_queries([measures[name] for measures in expected]))


def test_a_model_that_cannot_tell_anything_apart_lands_in_the_middle():
    same = np.tile(np.float32([0.6, 0.8]), (101, 1))
    report = evaluate_retrieval(same[:5], same, [[query] for query in range(5)], resamples=0)
    assert report.measures["median_rank"] == 51
    assert report.measures["recall_at_10"] == 0


def test_equal_vectors_tie_wherever_they_lie():
    generator = np.random.default_rng(1)
    vector = generator.standard_normal(384).astype(np.float32)
    vector /= np.linalg.norm(vector)
    candidates = np.tile(vector, (37, 1))
    ranks = relevant_ranks(vector[np.newaxis] * np.float32(0.7), candidates, [[3]]).ranks
    np.testing.assert_array_equal(ranks, [19])


@given(searches(most_candidates=30), st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_nearest_are_the_best_in_order(search, k):
    queries, candidates, _, itself = search
    found = nearest(queries, candidates, k, itself=itself, block_bytes=200)
    scores = queries @ candidates.T
    for query, own in enumerate(itself):
        scores[query, own] = -np.inf if own >= 0 else scores[query, own]
        expected = sorted(scores[query], reverse=True)[:k]
        assert [scores[query, row] for row in found[query]] == expected
        assert len(set(found[query])) == len(found[query])


@pytest.mark.parametrize(
    ("queries", "candidates", "relevant", "itself", "reason"),
    [
        pytest.param(np.ones((1, 2)), np.ones((3, 4)), [[0]], None, "of one space", id="two spaces"),
        pytest.param(np.ones((0, 2)), np.ones((3, 2)), [], None, "at least one query", id="no query"),
        pytest.param(np.ones((2, 2)), np.ones((3, 2)), [[0]], None, "candidates of 2 queries, got 1", id="too few"),
        pytest.param(np.ones((1, 2)), np.ones((3, 2)), [[]], None, "at least one, got", id="nothing to find"),
        pytest.param(np.ones((1, 2)), np.ones((3, 2)), [[3]], None, "rows of 0 to 2", id="a row that is not there"),
        pytest.param(np.ones((1, 2)), np.ones((3, 2)), [[1]], np.array([1]), "the query itself", id="itself"),
    ],
)
def test_what_cannot_be_ranked(queries, candidates, relevant, itself, reason):
    with pytest.raises(InvalidInputError, match=reason):
        relevant_ranks(queries.astype(np.float32), candidates.astype(np.float32), relevant, itself=itself)


def test_vectors_that_are_not_finite():
    with pytest.raises(InvalidVectorError, match="the candidates have NaN"):
        relevant_ranks(np.ones((1, 2), np.float32), np.full((2, 2), np.nan, np.float32), [[0]])
