"""Which queries are small enough to be answered without a thread."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from sightwire_searcher.search.cost import estimated_products
from sightwire_searcher.search.engine import SearchEngine
from sightwire_searcher.search.requests import checked_query
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.selection_cache import SelectionCache
from sightwire_searcher.snapshot import SegmentView, Snapshot

from services.searcher.tests.building import build_segment, collection_record, indexed_item, object_field, user_field
from sightwire.v1 import searcher_pb2 as pb

RNG = np.random.default_rng(5)
RECORD = collection_record(fields={"image": user_field(4), "object": object_field(4)})
TAGGED = pb.Filter(tags_any=pb.StringList(values=["fifth"]))
PER_SEGMENT = 100_000


@pytest.fixture(scope="module")
def snapshot() -> Iterator[Snapshot]:
    """A segment with a graph over 3,000 vectors, and one without over 50."""
    with TemporaryDirectory() as folder:
        readers = [
            build_segment(
                Path(folder),
                RECORD,
                [
                    indexed_item(
                        f"{rows}-{number}",
                        tags=["fifth"] if number % 5 == 0 else [],
                        vectors={"image": RNG.standard_normal(4)},
                    )
                    for number in range(rows)
                ],
                graph_min_rows=1000,
            )
            for rows in (3000, 50)
        ]
        yield Snapshot(RECORD, None, tuple(SegmentView(reader) for reader in readers))


def request(field: str = "image", **parts: Any) -> pb.SearchRequest:
    query = pb.FieldQuery(field=field, vector=np.ones(4, dtype="<f4").tobytes())
    return pb.SearchRequest(collection="photos", queries=[query], **{"k": 10, **parts})


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (request(), 4 * (64 * 2 * 16 + 50) + 2 * PER_SEGMENT),
        (request(ef_search=100), 4 * (100 * 2 * 16 + 50) + 2 * PER_SEGMENT),
        (request(ef_search=5000), 4 * (3000 + 50) + 2 * PER_SEGMENT),
        (request(k=101), None),
        (request(offset=10), None),
        (request(explain=True), None),
        (request(field="object"), None),
        (request(filter=TAGGED), None),
    ],
)
def test_the_cost_is_known_for_plain_queries(asked: pb.SearchRequest, expected: int | None, snapshot: Snapshot) -> None:
    selections = Selections(SelectionCache(1_000_000))
    assert estimated_products(snapshot, selections, checked_query(asked, snapshot)) == expected


def test_a_filter_costs_nothing_more_once_it_was_evaluated(snapshot: Snapshot) -> None:
    selections = Selections(SelectionCache(1_000_000))
    query = checked_query(request(filter=TAGGED), snapshot)
    assert estimated_products(snapshot, selections, query) is None
    SearchEngine(selections).search(snapshot, query)
    assert estimated_products(snapshot, selections, query) == 4 * (600 + 10) + 2 * PER_SEGMENT
