"""Items are checked against their collection before they go on the bus."""

import base64
import struct
from typing import Any
from urllib.parse import unquote

import pytest
from sightwire_gateway.batches import lines_of
from sightwire_gateway.collection_records import new_record
from sightwire_gateway.embedding_cache import EmbeddingCache
from sightwire_gateway.errors import InvalidRequestError
from sightwire_gateway.guard import routable_path
from sightwire_gateway.ingest import plain_filename
from sightwire_gateway.item_checks import check_item
from sightwire_gateway.item_requests import ItemRequest
from sightwire_gateway.paths import item_id_from_path, item_path

from sightwire.cache.levels import MultiLevelCache
from sightwire.cache.options import CacheOptions
from sightwire.contracts.collections import CollectionRecord, CollectionSpec
from sightwire.errors import InvalidInputError, InvalidVectorError
from sightwire.v1 import embedder_pb2


def item(**members: Any) -> ItemRequest:
    return ItemRequest.model_validate(members)


def test_own_vectors_become_float32(record: CollectionRecord):
    vectors = check_item(record, item(vectors={"own": [1, 2.5]}), has_upload=False)
    assert base64.b64decode(vectors["own"]) == struct.pack("<2f", 1, 2.5)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ({"nope": [1, 2]}, "no vector field 'nope'"),
        ({"image": [1, 2, 3, 4]}, "made by the platform"),
        ({"own": [1]}, "needs 2 float32 numbers, got 1"),
        ({"own": [1, float("nan")]}, "finite"),
        ({"own": "AAAA"}, "needs 2"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(record: CollectionRecord, vectors: dict[str, Any], message: str):
    with pytest.raises(InvalidVectorError, match=message):
        check_item(record, item(vectors=vectors), has_upload=False)


def test_an_item_needs_something(record: CollectionRecord):
    with pytest.raises(InvalidInputError, match="at least one of"):
        check_item(record, item(tags=["a"]), has_upload=False)
    check_item(record, item(tags=["a"]), has_upload=True)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("cat.jpg", "cat.jpg"),
        ("C:\\photos\\cat.jpg", "cat.jpg"),
        ("/etc/../cat\n.jpg", "cat.jpg"),
        ("http://x/a/cat.jpg", "cat.jpg"),
        ("", ""),
        ("x" * 300, "x" * 255),
    ],
)
def test_filenames_are_plain(path: str, name: str):
    assert plain_filename(path) == name


@pytest.mark.parametrize("item_id", ["a", "a/b", "a b", "a%2Fb", "100%", "ä/ö", "a/status", "..", "a?b#c"])
def test_any_id_survives_the_way_through_a_path(item_id: str):
    path = item_path("photos", item_id)
    scope = {"path": unquote(path), "raw_path": path.encode()}
    routed = routable_path(scope)
    assert routed.count("/") == 5
    assert item_id_from_path(routed.rpartition("/")[2]) == item_id


@pytest.mark.parametrize("item_id", ["%20", "%0A", "x" * 300])
def test_ids_that_cannot_exist_are_refused(item_id: str):
    with pytest.raises(InvalidRequestError):
        item_id_from_path(item_id)


async def test_lines_are_put_together():
    async def chunks():
        for chunk in (b'{"a"', b":1}\n\n{", b'"b":2}\r\n', b'{"c":3}'):
            yield chunk

    assert [line async for line in lines_of(chunks(), max_line_bytes=100)] == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


async def test_vectors_are_kept_by_space_and_text():
    async with MultiLevelCache(CacheOptions("embeddings-of-a-test")) as cache:
        embeddings = EmbeddingCache(cache)
        embedded = []

        async def vector(space, text, found_space=None):
            async def embed():
                embedded.append((space, text))
                return f"{space} {text}".encode(), found_space or space

            return await embeddings.vector(space, text, embed)

        for _ in range(2):
            assert await vector("s", "a") == (b"s a", "s")
            assert await vector("t", "a") == (b"t a", "t")
            assert await vector("s", "b", "another space") == (b"s b", "another space")
        assert embedded == [("s", "a"), ("t", "a"), ("s", "b"), ("s", "b")]


MODEL = embedder_pb2.DescribeModelResponse(
    name="m", version="1", space="m-1", dimension=8, metric="cosine", class_names=["cat"]
)


def test_a_record_takes_dimensions_space_and_classes_from_the_bundle():
    record = new_record(CollectionSpec(name="photos"), MODEL)
    assert record.dimension("image") == record.dimension("object") == record.dimension("text") == 8
    assert (record.space, record.class_names) == ("m-1", ("cat",))


def test_a_record_of_own_vectors_needs_no_bundle():
    record = new_record(CollectionSpec.model_validate({"name": "v", "fields": {"own": {"dimension": 3}}}), None)
    assert (record.space, record.class_names, record.dimension("own")) == ("external", (), 3)


def test_a_dimension_that_the_bundle_does_not_have_is_refused():
    spec = CollectionSpec.model_validate({"name": "p", "fields": {"image": {"source": "image", "dimension": 9}}})
    with pytest.raises(InvalidInputError, match="makes vectors of 8"):
        new_record(spec, MODEL)


def test_objects_need_a_detector():
    model = embedder_pb2.DescribeModelResponse(name="m", version="1", space="m-1", dimension=8)
    with pytest.raises(InvalidInputError, match="no detector"):
        new_record(CollectionSpec(name="photos"), model)
