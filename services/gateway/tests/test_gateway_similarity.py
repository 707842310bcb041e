"""Similarities of texts, their ranking and their metrics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from prometheus_client import REGISTRY
from sightwire_gateway import similarity_metrics
from sightwire_gateway.similarity import compare, cosine_similarities, rank

from sightwire.telemetry.metrics import render_metrics

_NUMBERS = st.floats(-100, 100, width=32)
_MATRICES = st.integers(1, 6).flatmap(
    lambda dimension: st.tuples(
        arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(dimension)), elements=_NUMBERS),
        arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(dimension)), elements=_NUMBERS),
    )
)


def vectors(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def test_lengths_do_not_matter_and_zeros_are_like_nothing() -> None:
    scores = cosine_similarities(vectors([2, 0], [0, 0]), vectors([5, 0], [0, 1], [-1, 0], [3, 3]))
    assert scores == pytest.approx(np.array([[1, 0, -1, 2**-0.5], [0, 0, 0, 0]]))


@pytest.mark.parametrize(
    ("threshold", "top_k", "expected"),
    [
        (None, None, [1, 2, 0, 3]),
        (None, 2, [1, 2]),
        (0.5, None, [1, 2, 0]),
        (0.6, 9, [1, 2]),
        (1.0, 1, []),
    ],
)
def test_ranking(threshold: float | None, top_k: int | None, expected: list[int]) -> None:
    positions, scores = rank(np.array([0.5, 0.9, 0.9, 0.1], np.float32), threshold=threshold, top_k=top_k)
    assert positions.tolist() == expected, "equal ones in their order"
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)


@given(_MATRICES, st.none() | st.floats(-1, 1, width=32), st.none() | st.integers(1, 12))
def test_a_comparison_agrees_with_a_plain_one(
    matrices: tuple[NDArray[np.float32], NDArray[np.float32]], threshold: float | None, top_k: int | None
) -> None:
    queries, descriptions = matrices
    found = compare(queries, descriptions, threshold=threshold, top_k=top_k)
    scores = cosine_similarities(queries, descriptions)
    assert np.all(np.abs(scores) <= 1)
    assert found.pairs == scores.size
    assert found.total == pytest.approx(float(scores.sum()), abs=1e-3)
    assert found.below == (None if threshold is None else sum(score < threshold for score in scores.ravel()))
    for row, (positions, ranked) in zip(scores, found.ranked, strict=True):
        plain = sorted(range(len(row)), key=lambda index: (-row[index], index))[:top_k]
        assert positions.tolist() == [index for index in plain if threshold is None or row[index] >= threshold]
        assert ranked.tolist() == row[positions].tolist()
    for row, mean in zip(scores, found.top_means, strict=True):
        assert mean == pytest.approx(float(np.mean(sorted(row, reverse=True)[: top_k or 10])), abs=1e-5)


def test_metrics_tell_of_a_comparison() -> None:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"sightwire_gateway_similarity_{name}", labels) or 0.0

    names = ("queries_total", "pairs_total", "score_count", "top_k_mean_count", "duration_seconds_count")
    before = [value(name) for name in names]
    judged, below = value("judged_pairs_total"), value("below_threshold_total")
    comparison = compare(vectors([1, 0]), vectors([1, 0], [0, 1], [-1, 0]), threshold=0.5, top_k=2)
    assert comparison.top_means == [0.5]
    similarity_metrics.count(comparison, 0.25)
    assert [value(name) - last for name, last in zip(names, before, strict=True)] == [1, 3, 3, 1, 1]
    assert (value("judged_pairs_total") - judged, value("below_threshold_total") - below) == (3, 2)
    assert value("below_threshold_ratio") == pytest.approx((below + 2) / (judged + 3))
    assert value("score_bucket", le="+Inf") == value("score_count") >= value("score_bucket", le="0.5")
    text = render_metrics().decode()
    assert "sightwire_uptime_seconds " in text
    assert 'sightwire_gateway_similarity_score_bucket{le="0.0"}' in text
