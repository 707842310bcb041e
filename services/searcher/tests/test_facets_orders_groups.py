"""Facets, orders and groups through the real gRPC server."""

from datetime import timedelta
from typing import Any

import grpc.aio
import numpy as np
import pytest
import pytest_asyncio

from services.searcher.tests.building import EPOCH, detected, indexed_item
from services.searcher.tests.conftest import CreateCollection, CreatedCollection, RunningSearcher
from sightwire.contracts.collections import MetadataType
from sightwire.v1 import searcher_pb2 as pb

SHOPS = ["north", "south", "east", None]
ITEMS = 24


def vector(number: int) -> np.ndarray:
    """The lower the number, the closer to the first axis."""
    values = np.zeros(8, dtype=np.float32)
    values[:2] = 1, number / ITEMS
    return values


@pytest_asyncio.fixture(loop_scope="session")
async def shops(searcher: RunningSearcher, create_collection: CreateCollection) -> CreatedCollection:
    """Two segments of items: `i00`, `i01`, … by falling nearness, in turn of each shop, and one that was deleted."""
    created: CreatedCollection = await create_collection(
        metadata={"shop": MetadataType.STRING, "price": MetadataType.INTEGER}
    )
    items = [
        indexed_item(
            f"i{number:02}",
            time=EPOCH + timedelta(hours=number),
            tags=["even"] if number % 2 == 0 else [],
            metadata={"price": number % 5} | ({"shop": shop} if (shop := SHOPS[number % 4]) else {}),
            objects=[detected(number % 2)],
            vectors={"image": vector(number)},
        )
        for number in range(ITEMS)
    ]
    await created.writer.commit([*items[::2], indexed_item("gone", metadata={"shop": "gone"})])
    await created.writer.commit(items[1::2], deleted=["gone"])
    await searcher.has_announced(created.record, 2)
    return created


def request(created: CreatedCollection, **members: Any) -> pb.SearchRequest:
    return pb.SearchRequest(collection=created.record.name, **{"k": 5, **members})


def nearest() -> pb.FieldQuery:
    return pb.FieldQuery(field="image", vector=vector(0).tobytes())


def counts(facet: pb.Facet) -> list[tuple[str, int]]:
    return [(entry.value.string_value, entry.count) for entry in facet.values]


def ids(response: pb.SearchResponse) -> list[str]:
    return [hit.item_id for hit in response.hits]


async def test_facets_count_beside_any_search(searcher: RunningSearcher, shops: CreatedCollection) -> None:
    facets = [pb.FacetRequest(field="shop", limit=2), pb.FacetRequest(field="_tags"), pb.FacetRequest(field="_classes")]
    for queries in ([], [nearest()]):
        response = await searcher.stub.Search(request(shops, queries=queries, facets=facets, k=1))
        shop, tags, classes = response.facets
        assert (counts(shop), shop.others, shop.missing) == ([("east", 6), ("north", 6)], 6, 6)
        assert (counts(tags), tags.others, tags.missing) == ([("even", 12)], 0, 12)
        assert counts(classes) == [("dog", 12), ("person", 12)]


async def test_facets_count_what_passes_the_filter(searcher: RunningSearcher, shops: CreatedCollection) -> None:
    even = pb.Filter(tags_any=pb.StringList(values=["even"]))
    response = await searcher.stub.Search(request(shops, filter=even, facets=[pb.FacetRequest(field="shop")]))
    assert counts(response.facets[0]) == [("east", 6), ("north", 6)]
    assert (response.facets[0].others, response.facets[0].missing) == (0, 0)
    # Without anything to rank by, the newest come first.
    assert ids(response) == ["i22", "i20", "i18", "i16", "i14"]


async def test_items_are_sorted_and_paged(searcher: RunningSearcher, shops: CreatedCollection) -> None:
    keys = [pb.SortKey(field="price", descending=True), pb.SortKey(field="shop"), pb.SortKey(field="_id")]

    def order(number: int) -> tuple[int, bool, str, int]:
        shop = SHOPS[number % 4]
        return -(number % 5), shop is None, shop or "", number

    expected = [f"i{number:02}" for number in sorted(range(ITEMS), key=order)]
    found: list[str] = []
    more = True
    while more:
        response = await searcher.stub.Search(request(shops, sort=keys, k=7, offset=len(found)))
        found += ids(response)
        more = response.more
        assert {hit.score for hit in response.hits} == {0.0}
    assert found == expected


async def test_groups_are_ordered_by_their_best_hit(searcher: RunningSearcher, shops: CreatedCollection) -> None:
    group_by = pb.GroupBy(field="shop", size=2)
    first = await searcher.stub.Search(request(shops, queries=[nearest()], group_by=group_by, k=3))
    second = await searcher.stub.Search(request(shops, queries=[nearest()], group_by=group_by, k=3, offset=3))
    assert ids(first) == ["i00", "i04", "i01", "i05", "i02", "i06"]
    assert [hit.group.string_value for hit in first.hits] == ["north", "north", "south", "south", "east", "east"]
    assert first.more
    assert ids(second) == ["i03", "i07"]
    assert not any(hit.HasField("group") for hit in second.hits)
    assert not second.more


async def test_groups_of_sorted_items(searcher: RunningSearcher, shops: CreatedCollection) -> None:
    sort = [pb.SortKey(field="_time", descending=True)]
    response = await searcher.stub.Search(request(shops, sort=sort, group_by=pb.GroupBy(field="price"), k=2))
    assert ids(response) == ["i23", "i22"]
    assert [hit.group.integer_value for hit in response.hits] == [3, 2]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"queries": [nearest()], "sort": [pb.SortKey(field="price")]}, "leave 'sort' out"),
        ({"facets": [pb.FacetRequest(field="colour")]}, "no field 'colour' to count"),
        ({"sort": [pb.SortKey(field="colour")]}, "no field 'colour' to sort by"),
        ({"queries": [nearest()], "group_by": pb.GroupBy(field="colour")}, "no field 'colour'"),
        ({"facets": [pb.FacetRequest(field="shop")] * 17}, "up to 16 facets, got 17"),
        ({"sort": [pb.SortKey(field="shop")] * 9}, "up to 8 fields, got 9"),
    ],
)
async def test_what_does_not_go_together_is_refused(
    searcher: RunningSearcher, shops: CreatedCollection, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=message) as refused:
        await searcher.stub.Search(request(shops, **members))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
