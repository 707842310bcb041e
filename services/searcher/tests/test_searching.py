"""Queries through the real gRPC server, over segments on disk."""

from datetime import timedelta

import grpc
import grpc.aio
import numpy as np
import orjson
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.searcher.tests.building import EPOCH, detected, indexed_item, object_field, user_field
from services.searcher.tests.conftest import CreateCollection, RunningSearcher
from sightwire.contracts.collections import MetadataType, Metric
from sightwire.v1 import searcher_pb2 as pb
from tests.plugin.waiting import wait_until

DIMENSION = 8


def axis(*weights: float) -> np.ndarray:
    vector = np.zeros(DIMENSION, dtype=np.float32)
    vector[: len(weights)] = weights
    return vector


def query(field: str, vector: np.ndarray, **parts: object) -> pb.FieldQuery:
    return pb.FieldQuery(field=field, vector=np.asarray(vector, dtype="<f4").tobytes(), **parts)


def ids(response: pb.SearchResponse) -> list[str]:
    return [hit.item_id for hit in response.hits]


async def test_the_closest_items_are_found_with_their_documents(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    created = await create_collection()
    await created.writer.commit(
        [indexed_item("near", vectors={"image": axis(1, 0.1)}), indexed_item("far", vectors={"image": axis(0, 1)})]
    )
    await created.writer.commit([indexed_item("middle", version=7, vectors={"image": axis(1, 1)})])
    await searcher.has_announced(created.record, 2)

    response = await searcher.stub.Search(
        pb.SearchRequest(collection=created.record.name, queries=[query("image", axis(1))], k=2)
    )

    assert ids(response) == ["near", "middle"]
    assert response.hits[0].score == pytest.approx(1 / np.sqrt(1.01))
    assert orjson.loads(response.hits[1].document)["version"] == 7
    # The score says it already.
    assert not response.hits[1].field_scores
    assert response.more
    assert response.manifest_version == 2
    assert response.generation == "g1"


async def test_deleted_and_superseded_items_are_not_found(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    created = await create_collection()
    await created.writer.commit([indexed_item(name, vectors={"image": axis(1)}) for name in ("a", "b", "c")])
    await created.writer.commit([indexed_item("b", version=2, vectors={"image": axis(0, 1)})], deleted=["a"])
    await searcher.has_announced(created.record, 2)

    request = pb.SearchRequest(collection=created.record.name, queries=[query("image", axis(1))], k=10)
    response = await searcher.stub.Search(request)
    assert ids(response) == ["c", "b"]
    assert [orjson.loads(hit.document)["version"] for hit in response.hits] == [1, 2]
    assert not response.more

    items = await searcher.stub.GetItems(pb.GetItemsRequest(collection=created.record.name, item_ids=["b", "a", "c"]))
    assert [(item.item_id, item.version) for item in items.items] == [("b", 2), ("c", 1)]
    described = await searcher.stub.DescribeCollection(pb.DescribeCollectionRequest(collection=created.record.name))
    assert (described.items, described.segments, described.manifest_version) == (2, 2, 2)
    assert described.uid == created.record.uid
    assert described.checkpoint == 2
    assert described.resident_bytes > 0


async def test_every_result_satisfies_the_filter(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    created = await create_collection(metadata={"shop": MetadataType.STRING})
    for day in range(2):
        await created.writer.commit(
            [
                indexed_item(
                    f"{day}-{number}",
                    time=EPOCH + timedelta(days=day),
                    tags=["even"] if number % 2 == 0 else [],
                    metadata={"shop": "north"} if number % 3 == 0 else {},
                    vectors={"image": axis(1, number)},
                )
                for number in range(12)
            ]
        )
    await searcher.has_announced(created.record, 2)
    moment = Timestamp()
    moment.FromDatetime(EPOCH + timedelta(hours=1))
    filter_ = pb.Filter(
        all=pb.FilterList(
            filters=[
                pb.Filter(tags_any=pb.StringList(values=["even"])),
                pb.Filter(time=pb.TimeRange(**{"from": moment})),
                pb.Filter(
                    **{
                        "not": pb.Filter(
                            metadata=pb.Comparison(
                                field="shop", operator=pb.OPERATOR_EQ, value=pb.Value(string_value="north")
                            )
                        )
                    }
                ),
            ]
        )
    )
    response = await searcher.stub.Search(
        pb.SearchRequest(
            collection=created.record.name, queries=[query("image", axis(1))], k=10, filter=filter_, explain=True
        )
    )
    assert ids(response) == ["1-2", "1-4", "1-8", "1-10"]
    explanation = orjson.loads(response.explanation)
    strategies = [segment["strategy"] for segment in explanation["fields"][0]["segments"]]
    assert strategies == ["pruned", "survivors"]
    assert explanation["fields"][0]["segments"][1]["selected"] == 4
    listed = await searcher.stub.ListItems(pb.ListItemsRequest(collection=created.record.name, filter=filter_))
    assert sorted(item.item_id for item in listed.items) == sorted(ids(response))


async def test_objects_are_grouped_under_their_image(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    created = await create_collection(fields={"object": object_field()})
    crowd = [detected(0) for _ in range(30)]
    await created.writer.commit(
        [
            # Thirty objects that are closer than those of any other image: without looking deeper it would hide them.
            indexed_item("crowd", objects=crowd, vectors={"object": np.tile(axis(1), (30, 1))}),
            indexed_item(
                "pets",
                objects=[detected(2, 0.6), detected(1, 0.8)],
                vectors={"object": np.stack([axis(0, 1), axis(1, 0.5)])},
            ),
            indexed_item("empty"),
            indexed_item("cat", objects=[detected(2)], vectors={"object": axis(0.5, 1)[None]}),
        ]
    )
    await searcher.has_announced(created.record, 1)
    request = pb.SearchRequest(collection=created.record.name, queries=[query("object", axis(1))], k=2)
    response = await searcher.stub.Search(request)
    assert ids(response) == ["crowd", "pets"]
    assert response.more
    assert [(matched.index, matched.detection.class_name) for matched in response.hits[1].objects] == [
        (1, "dog"),
        (0, "cat"),
    ]
    assert response.hits[1].objects[0].score == pytest.approx(response.hits[1].score)
    assert response.hits[1].objects[0].detection.confidence == pytest.approx(0.8)
    assert response.hits[1].objects[0].detection.x2 == 30.0

    request.filter.classes.class_ids.append(2)
    response = await searcher.stub.Search(request)
    assert ids(response) == ["cat", "pets"]
    assert [matched.detection.class_name for matched in response.hits[1].objects] == ["cat"]
    assert not response.more


async def test_several_fields_are_fused_by_rank(searcher: RunningSearcher, create_collection: CreateCollection) -> None:
    created = await create_collection(fields={"image": user_field(), "words": user_field(metric=Metric.L2)})
    await created.writer.commit(
        [
            indexed_item("both", vectors={"image": axis(1, 0.2), "words": axis(1, 0.2)}),
            indexed_item("image-only", vectors={"image": axis(1)}),
            indexed_item("words-only", vectors={"words": axis(1)}),
        ]
    )
    await searcher.has_announced(created.record, 1)
    queries = [query("image", axis(1)), query("words", axis(1), weight=0.5)]
    response = await searcher.stub.Search(pb.SearchRequest(collection=created.record.name, queries=queries, k=3))
    assert ids(response) == ["both", "image-only", "words-only"]
    assert response.hits[0].score == pytest.approx(1 / 62 + 0.5 / 62)
    places = [[(place.field, place.rank) for place in hit.field_scores] for hit in response.hits]
    assert places == [
        [("image", 2), ("words", 2)],
        [("image", 1), ("words", 0)],
        [("image", 0), ("words", 1)],
    ]
    assert response.hits[2].field_scores[1].score == 0.0  # the negative squared distance to itself
    assert not response.more


async def test_a_stored_item_can_be_the_query(searcher: RunningSearcher, create_collection: CreateCollection) -> None:
    created = await create_collection(fields={"image": user_field(), "object": object_field(), "words": user_field()})
    await created.writer.commit(
        [
            indexed_item(
                "a",
                objects=[detected(0, 0.5), detected(1, 0.9)],
                vectors={"image": axis(1), "object": np.stack([axis(1), axis(0, 0, 1)])},
            ),
            indexed_item("b", objects=[detected(1)], vectors={"image": axis(1, 0.5), "object": axis(0, 0, 1)[None]}),
            indexed_item("c", vectors={"image": axis(0, 1)}),
        ]
    )
    await searcher.has_announced(created.record, 1)

    def request(field: str, item_id: str) -> pb.SearchRequest:
        return pb.SearchRequest(
            collection=created.record.name, queries=[pb.FieldQuery(field=field, item_id=item_id)], k=3
        )

    assert ids(await searcher.stub.Search(request("image", "a"))) == ["a", "b", "c"]
    assert (await searcher.stub.Search(request("object", "a"))).hits[1].score == pytest.approx(1.0)
    with pytest.raises(grpc.aio.AioRpcError, match="has no item 'nobody'") as refused:
        await searcher.stub.Search(request("image", "nobody"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.aio.AioRpcError, match="has no vector in the field") as refused:
        await searcher.stub.Search(request("words", "a"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"k": 0}, "INVALID_ARGUMENT", "'k' expects 1 to 1000, got 0"),
        ({"k": 1001}, "INVALID_ARGUMENT", "'k' expects 1 to 1000, got 1001"),
        ({"offset": 9_999, "k": 2}, "INVALID_ARGUMENT", "paging reaches 10000"),
        ({"queries": []}, "INVALID_ARGUMENT", "needs field queries, 'text', 'sort' or 'facets'"),
        ({"queries": [pb.FieldQuery(field="image")]}, "INVALID_ARGUMENT", "needs a 'vector' or an 'item_id'"),
        ({"queries": [query("sound", axis(1))]}, "INVALID_ARGUMENT", "no vector field 'sound' .it has: image"),
        ({"queries": [query("image", np.ones(3))]}, "INVALID_ARGUMENT", "8 float32 numbers .32 bytes., got 12 bytes"),
        ({"queries": [query("image", axis(np.nan))]}, "INVALID_ARGUMENT", "'image': query 0: expected finite numbers"),
        ({"queries": [query("image", axis(0))]}, "INVALID_ARGUMENT", "zeros has no direction"),
        ({"queries": [query("image", axis(1), weight=-1.0)]}, "INVALID_ARGUMENT", "number from 0, got -1"),
        ({"queries": [query("image", axis(1), space="other-2")]}, "FAILED_PRECONDITION", "is of space 'other-2'"),
        ({"collection": "nothing-here"}, "NOT_FOUND", "no collection 'nothing-here'"),
        ({"manifest_version": 99}, "UNAVAILABLE", "version 99 .* is not loaded yet"),
        ({"filter": pb.Filter()}, "INVALID_ARGUMENT", "exactly one condition"),
    ],
)
async def test_bad_requests_are_refused_with_a_reason(
    searcher: RunningSearcher,
    create_collection: CreateCollection,
    change: dict[str, object],
    code: str,
    message: str,
) -> None:
    created = await create_collection()
    request = {"collection": created.record.name, "queries": [query("image", axis(1))], "k": 5, **change}
    with pytest.raises(grpc.aio.AioRpcError, match=message) as refused:
        await searcher.stub.Search(pb.SearchRequest(**request))
    assert refused.value.code().name == code


async def test_a_collection_without_commits_is_empty_at_once(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    created = await create_collection()
    response = await searcher.stub.Search(
        pb.SearchRequest(collection=created.record.name, queries=[query("image", axis(1))], k=5)
    )
    assert ids(response) == []
    assert not response.more
    listed = await searcher.stub.ListItems(pb.ListItemsRequest(collection=created.record.name))
    assert (list(listed.items), listed.next_page_token) == ([], "")


async def test_health_is_told_by_service(searcher: RunningSearcher) -> None:
    stub = health_pb2_grpc.HealthStub(searcher.channel)

    async def is_serving(service: str) -> bool:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        return answer.status == health_pb2.HealthCheckResponse.SERVING

    for service in ("", "sightwire.v1.Searcher"):
        await wait_until(lambda service=service: is_serving(service))
