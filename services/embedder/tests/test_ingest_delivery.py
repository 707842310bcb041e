"""Reading ingest events, and what can be said of malformed ones."""

import orjson
import pytest
from sightwire_embedder.consumer import asyncapi, subscribe, subscribe_to_reembed
from sightwire_embedder.ingest.delivery import parse_event, readable_id

from sightwire.bus.broker import make_broker
from sightwire.errors import InvalidInputError
from sightwire.settings import SharedSettings


def test_a_good_event():
    event = parse_event(b'{"id": "a", "text": "a cat", "tags": ["pets"]}')
    assert (event.id, event.text, event.tags) == ("a", "a cat", ("pets",))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b"", "event: Invalid JSON", id="nothing"),
        pytest.param(b"\xff\xfe", "event: Invalid JSON", id="not text"),
        pytest.param(b"[]", "event: ", id="not an object"),
        pytest.param(b'{"text": "a cat"}', "id: Field required", id="no id"),
        pytest.param(b'{"id": "a"}', "at least one of", id="nothing to store"),
        pytest.param(b'{"id": "a", "text": "x", "colour": 1}', "colour: Extra inputs", id="an unknown member"),
        pytest.param(b'{"id": "a", "text": "x", "time": "tuesday"}', "time: ", id="a bad time"),
        pytest.param(b'{"id": "a", "image": {}}', "image: .*exactly one of", id="a picture from nowhere"),
    ],
)
def test_malformed_events_are_refused_with_the_reason(payload, reason):
    with pytest.raises(InvalidInputError, match=f"the ingest event is malformed: .*{reason}"):
        parse_event(payload)


@pytest.mark.parametrize(
    ("payload", "collection", "expected"),
    [
        (b'{"id": "a", "colour": 1}', "photos", "a"),
        (b'{"id": 7}', "photos", None),
        (b'{"id": ""}', "photos", None),
        (b"[1]", "photos", None),
        (b"{", "photos", None),
        (b'{"id": "a"}', "NOT A COLLECTION", None),
    ],
)
def test_the_id_of_a_malformed_event(payload, collection, expected):
    assert readable_id(payload, collection) == expected


def test_the_asyncapi_document_shows_the_event_that_publishers_send():
    broker = make_broker(SharedSettings(), name="document")

    async def accept(_: object) -> None:
        raise AssertionError("documents are made without a bus")

    subscribe(broker, accept)
    subscribe_to_reembed(broker, accept)
    document = orjson.loads(asyncapi(broker))
    assert document["channels"]["ingest"]["address"] == "ingest.{collection}"
    assert document["channels"]["embedded"]["address"] == "embedded.{collection}.{space}"
    (message,) = document["channels"]["ingest"]["messages"].values()
    payload = document["components"]["messages"][message["$ref"].rsplit("/", 1)[1]]["payload"]
    schema = document["components"]["schemas"][payload["$ref"].rsplit("/", 1)[1]]
    assert schema["required"] == ["id"]
    assert "vectors" in schema["properties"]
    (reembed,) = document["channels"]["reembed"]["messages"].values()
    assert document["channels"]["reembed"]["address"] == "reembed.{collection}"
    message_of_batches = document["components"]["messages"][reembed["$ref"].rsplit("/", 1)[1]]
    assert message_of_batches["contentType"] == "application/x-protobuf"
