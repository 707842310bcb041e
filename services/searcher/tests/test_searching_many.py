"""Many vectors in one call find what each of them finds alone."""

from typing import Any

import grpc.aio
import numpy as np
import orjson
import pytest

from services.searcher.tests.building import detected, indexed_item, object_field, user_field
from services.searcher.tests.conftest import CreateCollection, CreatedCollection, RunningSearcher
from sightwire.contracts.collections import MetadataType
from sightwire.errors import ConflictError, InvalidInputError, InvalidVectorError, SightwireError
from sightwire.service.grpc_errors import error_from_call
from sightwire.v1 import searcher_pb2 as pb

RNG = np.random.default_rng(5)
DIMENSION = 8
VECTORS = RNG.standard_normal((70, DIMENSION)).astype("<f4")


def below(bucket: int) -> pb.Filter:
    return pb.Filter(
        metadata=pb.Comparison(field="bucket", operator=pb.OPERATOR_LT, value=pb.Value(integer_value=bucket))
    )


async def filled(searcher: RunningSearcher, create_collection: CreateCollection) -> CreatedCollection:
    """A field of items in a graph, in a small segment, and with deletions; and one of objects."""
    created: CreatedCollection = await create_collection(
        fields={"image": user_field(), "parts": object_field()}, metadata={"bucket": MetadataType.INTEGER}
    )

    def item(number: int) -> Any:
        # Numbers that floats hold exactly, and few of them, so that some items are equally near.
        vector = RNG.integers(-1, 2, DIMENSION).astype("<f4")
        vector[0] = 2
        objects = RNG.standard_normal((3, DIMENSION)).astype("<f4")
        return indexed_item(
            f"item-{number:03}",
            vectors={"image": vector, "parts": objects},
            objects=[detected(0)] * 3,
            metadata={"bucket": number % 10},
        )

    await created.writer.commit([item(number) for number in range(200)], graph_min_rows=10)
    await created.writer.commit([item(number) for number in range(190, 230)])
    await searcher.has_announced(created.record, 2)
    return created


@pytest.mark.parametrize("field", ["image", "parts"])
@pytest.mark.parametrize("filter_", [None, below(3), below(0)], ids=["all", "some", "none"])
@pytest.mark.parametrize("k", [1, 10, 500])
async def test_many_vectors_find_what_each_finds_alone(
    searcher: RunningSearcher, create_collection: CreateCollection, field: str, filter_: pb.Filter | None, k: int
) -> None:
    created = await filled(searcher, create_collection)
    many = await searcher.stub.SearchMany(
        pb.SearchManyRequest(
            collection=created.record.name, field=field, vectors=VECTORS.tobytes(), k=k, filter=filter_
        )
    )
    start = 0
    assert len(many.counts) == len(VECTORS)
    for vector, count in zip(VECTORS, many.counts, strict=True):
        hits = slice(start, start + count)
        start += count
        alone = await searcher.stub.Search(
            pb.SearchRequest(
                collection=created.record.name,
                queries=[pb.FieldQuery(field=field, vector=vector.tobytes())],
                k=k,
                filter=filter_,
            )
        )
        assert list(many.scores[hits]) == pytest.approx([hit.score for hit in alone.hits], abs=1e-5)
        found = dict(zip(many.item_ids[hits], many.documents[hits], strict=True))
        # Where scores differ by a rounding only, the order and the last may differ.
        certain = {hit.item_id for hit in alone.hits if hit.score > alone.hits[-1].score + 1e-4}
        assert certain <= found.keys()
        assert all(orjson.loads(document)["id"] == item_id for item_id, document in found.items())
    assert start == len(many.item_ids) == len(many.scores)
    assert many.manifest_version == 2


async def test_equally_near_items_are_ordered_by_id_across_segments(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    created = await create_collection()
    near, far = np.eye(DIMENSION, dtype="<f4")[:2]
    await created.writer.commit([indexed_item(name, vectors={"image": near}) for name in ("c", "a", "e")])
    await created.writer.commit([indexed_item("x", vectors={"image": far}), indexed_item("b", vectors={"image": near})])
    await searcher.has_announced(created.record, 2)
    many = await searcher.stub.SearchMany(
        pb.SearchManyRequest(
            collection=created.record.name,
            field="image",
            vectors=np.stack([near, far]).tobytes(),
            k=2,
            omit_documents=True,
        )
    )
    assert list(many.item_ids) == ["a", "b", "x", "a"]
    assert not many.documents


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ({"vectors": b""}, InvalidVectorError, "1 to 1024 vectors of 8"),
        ({"vectors": bytes(33)}, InvalidVectorError, "got 33 bytes"),
        ({"vectors": bytes(32 * 1025)}, InvalidVectorError, "got 32800 bytes"),
        ({"vectors": bytes(32)}, InvalidVectorError, "cosine"),
        ({"k": 0}, InvalidInputError, "'k' expects"),
        ({"k": 1000, "vectors": np.ones((101, 8), "<f4").tobytes()}, InvalidInputError, "send fewer"),
        ({"field": "none"}, InvalidInputError, "no vector field 'none'"),
        ({"space": "other"}, ConflictError, "of space 'other'"),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    searcher: RunningSearcher,
    create_collection: CreateCollection,
    parts: dict[str, Any],
    error: type[SightwireError],
    words: str,
) -> None:
    created = await create_collection()
    request = {"field": "image", "vectors": np.ones(8, "<f4").tobytes(), "k": 5, **parts}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await searcher.stub.SearchMany(pb.SearchManyRequest(collection=created.record.name, **request))
    arrived = error_from_call(refused.value, service="searcher")
    assert isinstance(arrived, error)
    assert words in arrived.detail
