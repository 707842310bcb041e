"""A collection that moves to another model, as searchers see it: who answers for it is no business of theirs."""

from typing import Any

import grpc
import numpy as np
import pytest
from sightwire_searcher.search.lookups import checked_vector_fields

from services.searcher.tests.building import collection_record, indexed_item, object_field, user_field
from services.searcher.tests.conftest import CreateCollection, CreatedCollection, RunningSearcher
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.contracts.collections import CollectionRecord, Metric
from sightwire.errors import InvalidInputError
from sightwire.v1 import searcher_pb2 as pb
from tests.plugin.waiting import wait_until


def changed(**members: Any) -> Any:
    return lambda record: record.model_copy(update=members)


async def items_of(searcher: RunningSearcher, record: CollectionRecord, **wanted: Any) -> list[pb.StoredItem]:
    answer = await searcher.stub.ListItems(pb.ListItemsRequest(collection=record.name, **wanted))
    return list(answer.items)


async def commit_one(created: CreatedCollection, searcher: RunningSearcher, item_id: str) -> None:
    manifest = await created.writer.commit([indexed_item(item_id, vectors={"image": np.ones(8)})])
    await searcher.has_announced(created.record, manifest.version)


async def test_a_collection_goes_on_answering_until_its_own_index_is_given_up(
    searcher: RunningSearcher, create_collection: CreateCollection, bus: Bus
) -> None:
    registry, created = CollectionRegistry(bus), await create_collection()
    name = created.record.name
    await commit_one(created, searcher, "a")
    await registry.change(name, changed(shadows=(f"{name}--x",), answering=f"{name}--x"))
    await commit_one(created, searcher, "b")
    assert [item.item_id for item in await items_of(searcher, created.record)] in (["a", "b"], ["b", "a"])

    await registry.change(name, changed(has_index=False))
    await wait_until(lambda: searcher.announced(created.record) == 0, describe="the searcher's letting go")
    with pytest.raises(grpc.aio.AioRpcError, match="has no index of its own") as refused:
        await items_of(searcher, created.record)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert searcher.context.health.report().is_ready


async def test_listed_items_come_with_the_vectors_that_are_wanted(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    fields = {"a": user_field(2), "b": user_field(3, Metric.DOT), "c": user_field(2)}
    created = await create_collection(fields=fields)
    first = [indexed_item("1", vectors={"a": [3, 4], "b": [1, 2, 3]}), indexed_item("2", vectors={"b": [4, 5, 6]})]
    await created.writer.commit(first)
    manifest = await created.writer.commit([indexed_item("3", version=7, vectors={"a": [1, 0], "c": [1, 0]})])
    await searcher.has_announced(created.record, manifest.version)

    def vectors(items: list[pb.StoredItem]) -> dict[str, dict[str, list[float]]]:
        return {
            item.item_id: {
                field.field: [round(number, 3) for number in np.frombuffer(field.matrix.data, dtype="<f4").tolist()]
                for field in item.vectors
            }
            for item in items
        }

    expected = {
        "1": {"a": [0.6, 0.8], "b": [1.0, 2.0, 3.0]},
        "2": {"b": [4.0, 5.0, 6.0]},
        "3": {"a": [1.0, 0.0]},
    }
    listed = await items_of(searcher, created.record, vector_fields=["a", "b"])
    assert vectors(listed) == expected
    assert {(item.vectors[0].matrix.rows, item.vectors[0].matrix.dimension) for item in listed} == {(1, 2), (1, 3)}
    request = pb.GetItemsRequest(collection=created.record.name, item_ids=["3", "1"], vector_fields=["b"])
    got = (await searcher.stub.GetItems(request)).items
    assert vectors(got) == {"3": {}, "1": {"b": expected["1"]["b"]}}
    assert [item.version for item in got] == [7, 1]
    assert not any(item.vectors for item in await items_of(searcher, created.record))


def test_only_vectors_of_items_can_be_wanted() -> None:
    record = collection_record(fields={"a": user_field(), "objects": object_field()})
    assert checked_vector_fields(["a", "a"], record) == ["a"]
    with pytest.raises(InvalidInputError, match="vectors of objects"):
        checked_vector_fields(["objects"], record)
    with pytest.raises(InvalidInputError, match="no vector field 'z'"):
        checked_vector_fields(["z"], record)
