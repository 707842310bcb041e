"""Filtered searches through graphs find what exact search finds, whatever the filter has to do with the query."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pytest

from services.searcher.tests.building import build_segment, collection_record, indexed_item, user_field
from sightwire.segments.reader import SegmentReader
from sightwire.segments.search_plan import SearchPlan, plan_search, widened_plan

ROWS, DIMENSION, CLUSTERS, QUERIES, K = 12_000, 32, 40, 40, 10
Mask = npt.NDArray[np.bool_]


class Population:
    """Clustered vectors in a segment with a graph; `clusters` are those of the segment's rows and of the queries."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(3)
        centres = rng.standard_normal((CLUSTERS, DIMENSION))
        clusters = rng.integers(0, CLUSTERS, ROWS)
        vectors = centres[clusters] + 0.6 * rng.standard_normal((ROWS, DIMENSION))
        items = [indexed_item(str(number), vectors={"image": vector}) for number, vector in enumerate(vectors)]
        record = collection_record(fields={"image": user_field(DIMENSION)})
        self.segment: SegmentReader = build_segment(folder, record, items, graph_min_rows=1)
        order = [int(item_id) for item_id in self.segment.ids(range(ROWS))]
        self.clusters = clusters[order]
        self.query_clusters = rng.integers(0, CLUSTERS, QUERIES)
        self.queries = (centres[self.query_clusters] + 0.6 * rng.standard_normal((QUERIES, DIMENSION))).astype("f4")
        self.closeness = self.queries @ self.segment.vectors("image").T


@pytest.fixture(scope="module")
def population() -> Iterator[Population]:
    with TemporaryDirectory() as folder:
        yield Population(Path(folder))


def random_share(share: float) -> Callable[[Population, int], Mask]:
    return lambda population, query: np.random.default_rng(query).random(ROWS) < share


def clusters_below(count: int) -> Callable[[Population, int], Mask]:
    return lambda population, query: population.clusters < count


def not_the_own_cluster(population: Population, query: int) -> Mask:
    return population.clusters != population.query_clusters[query]


def farthest(share: float) -> Callable[[Population, int], Mask]:
    return lambda population, query: population.closeness[query] < np.quantile(population.closeness[query], share)


@pytest.mark.parametrize(
    "filter_",
    [
        *(random_share(share) for share in (1.0, 0.9, 0.5, 0.3, 0.1, 0.01, 0.001)),
        *(clusters_below(count) for count in (1, 8, 20, 36)),
        not_the_own_cluster,
        farthest(0.5),
        farthest(0.9),
    ],
)
def test_recall_at_10(population: Population, filter_: Callable[[Population, int], Mask]) -> None:
    segment = population.segment
    found = wanted = 0
    for query in range(QUERIES):
        selection = segment.select("image", filter_(population, query))
        vector = population.queries[query][None]
        answer = segment.search("image", vector, K, selection=selection)
        exact = segment.search("image", vector, K, selection=selection, exact=True)
        count = min(K, selection.count)
        rows = answer.rows[0][:count]
        assert np.all(selection.mask[rows])
        assert len(set(rows.tolist())) == count
        assert np.all(np.diff(answer.scores[0][:count]) <= 0)
        found += len(set(rows.tolist()) & set(exact.rows[0][:count].tolist()))
        wanted += count
    assert found / wanted >= 0.95


def test_queries_of_one_batch_get_what_they_get_alone(population: Population) -> None:
    segment = population.segment
    selection = segment.select("image", population.clusters < 20)
    together = segment.search("image", population.queries, K, selection=selection)
    for query in range(QUERIES):
        alone = segment.search("image", population.queries[query][None], K, selection=selection)
        np.testing.assert_array_equal(together.rows[query], alone.rows[0])


@pytest.mark.parametrize(
    ("rows", "allowed", "k", "ef_search", "graph_m", "expected"),
    [
        # Without a graph, or with fewer survivors than results, there is nothing to choose.
        (1000, 1000, 10, 64, None, None),
        (100_000, 10, 10, 64, 16, None),
        (100_000, 0, 10, 64, 16, None),
        # A segment so small that the walk would compute as many distances.
        (1000, 1000, 10, 64, 16, None),
        (100_000, 100_000, 10, 64, 16, 64),
        (100_000, 100_000, 200, 64, 16, 200),
        # Ten nearer ones that do not pass are expected, which cost twenty candidates.
        (100_000, 50_000, 10, 64, 16, 84),
        # Of a filtered answer the far candidates do not count.
        (100_000, 50_000, 100, 64, 16, 400),
        (100_000, 20_000, 10, 64, 16, 144),
        (100_000, 5_000, 10, 64, 16, None),
        (1_000_000, 1_000, 10, 64, 16, None),
    ],
)
def test_the_cheaper_plan_is_chosen(
    rows: int, allowed: int, k: int, ef_search: int, graph_m: int | None, expected: int | None
) -> None:
    plan = plan_search(rows=rows, allowed=allowed, k=k, ef_search=ef_search, graph_m=graph_m)
    assert plan == SearchPlan(expected)


@pytest.mark.parametrize(
    ("candidates", "allowed", "expected"), [(128, 50_000, 1024), (144, 30_000, None), (1024, 50_000, None)]
)
def test_a_search_that_found_too_few_looks_farther(candidates: int, allowed: int, expected: int | None) -> None:
    assert widened_plan(SearchPlan(candidates), allowed=allowed, graph_m=16) == SearchPlan(expected)
