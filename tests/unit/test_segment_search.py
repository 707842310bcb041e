"""Search in one field: every metric, filters of any selectivity, with and without a graph."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightwire.contracts.collections import IndexParameters, Metric
from sightwire.errors import InvalidVectorError
from sightwire.segments.batch import IndexedItem
from sightwire.segments.reader import SegmentReader
from sightwire.segments.schema import SegmentSchema, VectorColumn
from sightwire.segments.search_plan import RELIABLE_SHARE, plan_search
from sightwire.segments.vector_indexes.policy import IndexPolicy
from sightwire.segments.vectors import is_storable, unstorable_rows
from tests.plugin.segments import item, make_segment

ROWS, DIMENSION = 3000, 24
METRICS = list(Metric)
Array = np.ndarray[Any, Any]


def schema(metric: Metric) -> SegmentSchema:
    return SegmentSchema(vectors=(VectorColumn("v", DIMENSION, metric),), metadata={})


def random_items(rows: int, *, every: int = 1) -> list[IndexedItem]:
    """Items of which each `every`-th has a vector."""
    matrix = np.random.default_rng(5).standard_normal((rows, DIMENSION), dtype=np.float32)
    return [
        item(f"item-{row}", row + 1, vectors={"v": matrix[row].tobytes()} if row % every == 0 else {})
        for row in range(rows)
    ]


@pytest.fixture(scope="module", params=METRICS, ids=[metric.value for metric in METRICS])
def graph_segment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SegmentReader:
    indexes = IndexPolicy(IndexParameters(m=16, ef_construction=80), min_rows=1)
    return make_segment(
        tmp_path_factory.mktemp("segments"), random_items(ROWS), schema=schema(request.param), indexes=indexes
    )


def true_scores(segment: SegmentReader, query: Array) -> Array:
    """Score of every row, the slow way."""
    matrix = segment.vectors("v").astype(np.float64)
    match segment.schema.vector("v").metric:
        case Metric.L2:
            return -((matrix - query) ** 2).sum(axis=1)
        case Metric.COSINE:
            return matrix @ (query / np.linalg.norm(query))
        case _:
            return matrix @ query


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.01, 0.001, 0.0])
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "planned"])
def test_search_finds_the_best_of_what_is_allowed(graph_segment: SegmentReader, share: float, exact: bool) -> None:
    rng = np.random.default_rng(1)
    allowed = rng.random(ROWS) < share
    queries = rng.standard_normal((5, DIMENSION))
    hits = graph_segment.search("v", queries, 20, selection=graph_segment.select("v", allowed), exact=exact)
    wanted = min(20, int(allowed.sum()))
    recalls = []
    for query, scores, rows in zip(queries, hits.scores, hits.rows, strict=True):
        truth = np.where(allowed, true_scores(graph_segment, query), -np.inf)
        best = np.argsort(-truth)[:wanted]
        assert (rows[wanted:] == -1).all()
        assert (scores[wanted:] == -np.inf).all()
        assert len(set(rows[:wanted].tolist())) == wanted
        assert allowed[rows[:wanted]].all()
        assert (np.diff(scores[:wanted]) <= 0).all()
        np.testing.assert_allclose(scores[:wanted], truth[rows[:wanted]], rtol=1e-3, atol=1e-4)
        recalls.append(len(set(best) & set(rows[:wanted].tolist())) / max(wanted, 1))
    if wanted:
        assert np.mean(recalls) >= (0.999 if hits.plan.exact else 0.9)


def test_a_graph_and_its_vectors_share_one_copy(graph_segment: SegmentReader) -> None:
    sizes = {file.name: file.bytes for file in graph_segment.description.files}
    assert sizes["vectors.v.f32"] == 64 + 4 * ROWS * DIMENSION
    assert sizes["index.v.faiss"] < 300 * ROWS
    assert not graph_segment.search("v", np.ones((1, DIMENSION)), 10).plan.exact


@pytest.mark.parametrize("every", [1, 3])
def test_rows_are_those_of_the_items_even_if_some_have_no_vector(tmp_path: Path, every: int) -> None:
    segment = make_segment(tmp_path, random_items(60, every=every), schema=schema(Metric.DOT))
    for row in range(60):
        stored = segment.vector("v", row)
        number = int(segment.ids([row])[0].removeprefix("item-"))
        assert (stored is not None) == (number % every == 0)
        if stored is not None:
            allowed = np.zeros(60, dtype=np.bool_)
            allowed[row] = True
            hits = segment.search("v", stored[None], 3, selection=segment.select("v", allowed))
            assert hits.rows.tolist() == [[row, -1, -1]]
    assert segment.fields["v"].target_rows().tolist() == [
        row for row in range(60) if segment.vector("v", row) is not None
    ]


def test_a_field_without_vectors_finds_nothing(tmp_path: Path) -> None:
    segment = make_segment(tmp_path, [item("a", vectors={})], schema=schema(Metric.COSINE))
    hits = segment.search("v", np.ones((2, DIMENSION)), 4, selection=segment.select("v", np.ones(1, dtype=np.bool_)))
    assert (hits.rows == -1).all()
    assert hits.rows.shape == hits.scores.shape == (2, 4)


def test_no_queries_give_no_answers(graph_segment: SegmentReader) -> None:
    assert graph_segment.search("v", np.empty((0, DIMENSION)), 4).rows.shape == (0, 4)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (np.ones((1, DIMENSION - 1)), rf"expected queries of shape \[n, {DIMENSION}\], got \[1, {DIMENSION - 1}\]"),
        (np.ones(DIMENSION), "expected queries of shape"),
        (np.full((1, DIMENSION), np.nan), "query 0: expected finite numbers"),
        (np.full((1, DIMENSION), np.inf), "NaN or infinity"),
    ],
)
def test_unusable_queries_are_refused(graph_segment: SegmentReader, query: Array, message: str) -> None:
    with pytest.raises(InvalidVectorError, match=message):
        graph_segment.search("v", query, 3)


def test_an_unknown_field_is_named(graph_segment: SegmentReader) -> None:
    with pytest.raises(KeyError, match=r"unknown vector field 'w'.* has: v"):
        graph_segment.search("w", np.ones((1, DIMENSION)), 3)


@pytest.mark.parametrize(
    ("rows", "allowed", "k", "ef_search", "graph_m", "expected"),
    [
        pytest.param(1000, 1000, 10, 64, None, None, id="no graph"),
        pytest.param(100_000, 100_000, 10, 64, 16, 64, id="no filter"),
        pytest.param(100_000, 50_000, 10, 64, 16, 84, id="half: two more for each nearer one"),
        pytest.param(100_000, 1_000, 10, 64, 16, None, id="selective: exact is cheaper"),
        pytest.param(100_000, 5, 10, 64, 16, None, id="fewer than k"),
        pytest.param(100_000, 100_000, 500, 64, 16, 500, id="k beyond ef"),
        pytest.param(500, 500, 10, 64, 16, None, id="small: exact is cheaper"),
        pytest.param(0, 0, 10, 64, 16, None, id="empty"),
    ],
)
def test_the_plan_follows_the_cost(
    rows: int, allowed: int, k: int, ef_search: int, graph_m: int | None, expected: int | None
) -> None:
    plan = plan_search(rows=rows, allowed=allowed, k=k, ef_search=ef_search, graph_m=graph_m)
    assert plan.candidates == expected


@given(
    rows=st.integers(0, 10**7),
    share=st.floats(0, 1),
    k=st.integers(1, 1000),
    ef=st.integers(8, 4096),
    m=st.integers(4, 96),
)
def test_a_graph_search_keeps_enough_candidates_and_costs_less_than_exact(
    rows: int, share: float, k: int, ef: int, m: int
) -> None:
    allowed = int(rows * share)
    plan = plan_search(rows=rows, allowed=allowed, k=k, ef_search=ef, graph_m=m)
    if plan.candidates is not None:
        assert plan.candidates >= max(k, ef)
        if allowed < rows:
            assert RELIABLE_SHARE * plan.candidates * allowed / rows >= k
        assert plan.candidates * m < allowed


@given(
    st.lists(st.floats(width=32) | st.sampled_from([0.0, 3e38, 1e-30]), min_size=1, max_size=5),
    st.sampled_from(METRICS),
)
def test_one_vector_is_judged_as_many_are(numbers: list[float], metric: Metric) -> None:
    vector = np.array(numbers, dtype=np.float32)
    assert is_storable(vector, metric) == (unstorable_rows(vector[None], metric).size == 0)
