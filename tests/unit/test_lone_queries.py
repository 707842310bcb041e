"""A query alone finds what FAISS's own search finds, whichever threads ask at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faiss
import numpy as np
import pytest

from sightwire.segments.selection import Selection
from sightwire.segments.vector_indexes.lone_query import search_index

RNG = np.random.default_rng(2)


def flat_index(dimension: int, rows: int, metric: int = faiss.METRIC_INNER_PRODUCT) -> Any:
    index = faiss.IndexFlat(dimension, metric)
    index.add(RNG.standard_normal((rows, dimension), dtype=np.float32))
    return index


@pytest.mark.parametrize("metric", [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2])
@pytest.mark.parametrize(
    ("dimension", "queries", "k"), [(8, 1, 1), (8, 1, 10), (8, 3, 10), (8, 1, 1024), (8, 1, 1500), (4100, 1, 10)]
)
def test_the_answer_is_that_of_faiss(metric: int, dimension: int, queries: int, k: int) -> None:
    index = flat_index(dimension, 2000 if dimension == 8 else 20, metric)
    vectors = RNG.standard_normal((queries, dimension), dtype=np.float32)
    expected_distances, expected_rows = index.search(vectors, k)
    distances, rows = search_index(index, vectors, k, None)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(distances, expected_distances)


def test_an_answer_stays_when_the_next_query_comes() -> None:
    index = flat_index(8, 100)
    first, second = RNG.standard_normal((2, 1, 8), dtype=np.float32)
    distances, rows = search_index(index, first, 5, None)
    kept = distances.copy(), rows.copy()
    search_index(index, second, 5, None)
    np.testing.assert_array_equal(distances, kept[0])
    np.testing.assert_array_equal(rows, kept[1])


def test_threads_do_not_disturb_each_other() -> None:
    indexes = [flat_index(dimension, 3000) for dimension in (8, 24)]
    queries = [RNG.standard_normal((1, 8 + 16 * (number % 2)), dtype=np.float32) for number in range(400)]
    selection = Selection(RNG.random(3000) < 0.3)

    def ask(number: int) -> list[int]:
        _, rows = search_index(indexes[number % 2], queries[number], 10 + number % 3, selection.parameters)
        found: list[int] = rows[0].tolist()
        return found

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, range(400)))
    assert together == [ask(number) for number in range(400)]
    assert all(selection.mask[rows].all() for rows in together)
