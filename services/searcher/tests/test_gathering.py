"""Vectors that a filter selects again are copied: answers stay what they were, and memory stays bounded."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pytest
from sightwire_searcher.search.field_rankings import FieldSearch, rank_items
from sightwire_searcher.search.query import CheckedFilter
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.selection_cache import SelectionCache
from sightwire_searcher.snapshot import SegmentView, Snapshot

from services.searcher.tests.building import build_segment, collection_record, indexed_item, user_field
from sightwire.contracts.collections import CollectionRecord, MetadataType, Metric
from sightwire.segments.reader import SegmentReader
from sightwire.segments.search_plan import SearchPlan, gathering_pays
from sightwire.v1 import searcher_pb2 as pb

ROWS, DIMENSION, BUCKETS, K = 4000, 16, 100, 10
PLENTY = 1 << 26


class Population:
    """A segment with a graph, and the numbers of its items by row."""

    def __init__(self, folder: Path, metric: Metric) -> None:
        rng = np.random.default_rng(11)
        # Some are equal, so that ids must decide.
        vectors = rng.standard_normal((ROWS, DIMENSION)).astype("f4")
        vectors[1::7] = vectors[0]
        items = [
            indexed_item(f"{number:05}", vectors={"image": vector}, metadata={"bucket": number % BUCKETS})
            for number, vector in enumerate(vectors)
        ]
        self.metric = metric
        self.record: CollectionRecord = collection_record(
            fields={"image": user_field(DIMENSION, metric)}, metadata={"bucket": MetadataType.INTEGER}
        )
        self.reader: SegmentReader = build_segment(folder, self.record, items, graph_min_rows=1)
        self.numbers = np.array([int(item_id) for item_id in self.reader.ids(range(ROWS))])
        self.query = rng.standard_normal((1, DIMENSION)).astype("f4")

    def snapshot(self, deleted: npt.NDArray[np.int64] | None = None, deletes_key: str = "deletes") -> Snapshot:
        """All items but those with the numbers of `deleted`."""
        if deleted is None:
            return Snapshot(self.record, None, (SegmentView(self.reader),))
        live = ~np.isin(self.numbers, deleted)
        return Snapshot(self.record, None, (SegmentView(self.reader, deletes_key, live),))

    def best(self, selected: npt.NDArray[np.bool_]) -> list[str]:
        """Ids of the K closest of the selected rows by NumPy."""
        stored = self.reader.vectors("image")
        squared_distances = ((stored - self.query) ** 2).sum(axis=1)
        scores = -squared_distances if self.metric is Metric.L2 else stored @ self.query[0]
        rows = np.flatnonzero(selected)
        order = np.lexsort((self.numbers[rows], -scores[rows].round(4)))
        return [f"{number:05}" for number in self.numbers[rows[order[:K]]]]


@pytest.fixture(scope="module", params=list(Metric), ids=lambda metric: metric.value)
def population(request: pytest.FixtureRequest) -> Iterator[Population]:
    with TemporaryDirectory() as folder:
        yield Population(Path(folder), request.param)


def below(bucket: int) -> CheckedFilter:
    message = pb.Filter(
        metadata=pb.Comparison(field="bucket", operator=pb.OPERATOR_LT, value=pb.Value(integer_value=bucket))
    )
    return CheckedFilter(message, message.SerializeToString(deterministic=True))


def search(
    snapshot: Snapshot, selections: Selections, query: npt.NDArray[np.float32], filter_: CheckedFilter
) -> list[str]:
    ranking = rank_items(snapshot, selections, FieldSearch("image", False, filter_, K, ef_search=64), query)
    return [found.item_id for found in ranking.found]


def is_copied(snapshot: Snapshot, selections: Selections, filter_: CheckedFilter) -> bool:
    choice = selections.vectors(snapshot.segments[0], "image", filter_, k=K, ef_search=64)
    return choice.gathered is not None


@pytest.mark.parametrize("percent", [1, 3, 10, 30, 50])
def test_a_filter_that_is_used_again_finds_the_same(population: Population, percent: int) -> None:
    selections = Selections(SelectionCache(PLENTY))
    snapshot = population.snapshot()
    expected = population.best(population.numbers % BUCKETS < percent)
    for _ in range(3):
        assert search(snapshot, selections, population.query, below(percent)) == expected
    assert is_copied(snapshot, selections, below(percent))


def test_a_filter_that_is_used_once_is_not_copied(population: Population) -> None:
    cache = SelectionCache(PLENTY)
    selections = Selections(cache)
    for percent in range(1, 20):
        search(population.snapshot(), selections, population.query, below(percent))
    assert len(cache) == 19
    assert cache.resident_bytes < 19 * (2 * ROWS + 8 * ROWS * 20 // BUCKETS)


def test_a_deleted_item_is_not_found_in_a_copy(population: Population) -> None:
    """Copies belong to what is deleted: those of the snapshot before are not looked at."""
    selections = Selections(SelectionCache(PLENTY))
    filter_ = below(10)
    deleted = np.empty(0, dtype=np.int64)
    for step in range(4):
        snapshot = population.snapshot(deleted if step else None, deletes_key=f"deletes-{step}")
        selected = (population.numbers % BUCKETS < 10) & ~np.isin(population.numbers, deleted)
        for _ in range(3):
            found = search(snapshot, selections, population.query, filter_)
            assert found == population.best(selected)
        assert is_copied(snapshot, selections, filter_)
        deleted = np.append(deleted, [int(item_id) for item_id in found[:5]])
    # Whoever pages through the version before still finds what was live there.
    assert search(population.snapshot(), selections, population.query, filter_) == population.best(
        population.numbers % BUCKETS < 10
    )


def test_copies_stay_within_the_memory_of_the_cache(population: Population) -> None:
    limit = 300_000
    cache = SelectionCache(limit)
    selections = Selections(cache)
    snapshot = population.snapshot()
    for percent in [*range(1, 14), *range(13, 0, -1)]:
        expected = population.best(population.numbers % BUCKETS < percent)
        for _ in range(3):
            assert search(snapshot, selections, population.query, below(percent)) == expected
            assert cache.resident_bytes <= limit
    assert is_copied(snapshot, selections, below(1))
    # A copy of half of the vectors would take more than its share.
    for _ in range(3):
        search(snapshot, selections, population.query, below(50))
    assert not is_copied(snapshot, selections, below(50))
    cache.resize(100_000)
    assert cache.resident_bytes <= 100_000
    assert search(snapshot, selections, population.query, below(5)) == population.best(population.numbers % BUCKETS < 5)


@pytest.mark.parametrize(
    ("candidates", "allowed", "graph_m", "expected"),
    [
        # What is compared exactly in any case is compared sooner in a copy.
        (None, 100_000, 16, True),
        (None, 100_000, None, True),
        (200, 12_000, 16, True),
        (200, 16_000, 16, False),
        # Whole vectors of other kinds of index may lie on the disk alone.
        (200, 12_000, None, False),
    ],
)
def test_a_copy_is_made_where_comparing_all_of_it_is_cheaper(
    candidates: int | None, allowed: int, graph_m: int | None, expected: bool
) -> None:
    assert gathering_pays(SearchPlan(candidates), allowed=allowed, graph_m=graph_m) is expected
