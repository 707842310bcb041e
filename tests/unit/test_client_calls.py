"""Requests of the client as values."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from sightwire.client import ApiError, AsyncSightwire, ConnectionFailedError, ItemStatus, Picture, Sightwire, calls
from sightwire.client.retries import ATTEMPTS, delay_before_retry

NOTHING: dict[str, Any] = {
    "id": None,
    "image": None,
    "text": None,
    "tags": (),
    "metadata": None,
    "time": None,
    "vectors": None,
    "wait": False,
    "timeout": 30.0,
}
NO_QUERY: dict[str, Any] = {
    "text": None,
    "image": None,
    "vector": None,
    "item": None,
    "full_text": None,
    "hybrid": False,
    "fields": None,
    "fusion": None,
    "weights": None,
    "target": "items",
    "filter": None,
    "sort": None,
    "group_by": None,
    "facets": None,
    "k": 10,
    "cursor": None,
    "explain": False,
    "ef_search": None,
}


def test_put_leaves_out_what_is_not_given() -> None:
    call = calls.put_item("demo", **{**NOTHING, "text": "a boat"})
    assert (call.method, call.path) == ("POST", "/v1/collections/demo/items")
    assert call.body == {"text": "a boat"}
    assert not call.repeatable


def test_put_with_an_id_may_be_repeated() -> None:
    assert calls.put_item("demo", **{**NOTHING, "id": "a", "text": "x"}).repeatable


@pytest.mark.parametrize(
    ("image", "picture", "member"),
    [
        (b"bytes", Picture(b"bytes"), None),
        (Path("cat.jpg"), Path("cat.jpg"), None),
        ("cat.jpg", Path("cat.jpg"), None),
        ("https://example.org/cat.jpg", None, {"url": "https://example.org/cat.jpg"}),
        (Picture(b"x", "cat.jpg"), Picture(b"x", "cat.jpg"), None),
    ],
)
def test_pictures_are_uploaded_and_urls_referred_to(image: Any, picture: Any, member: Any) -> None:
    call = calls.put_item("demo", **{**NOTHING, "image": image})
    assert call.picture == picture
    assert call.body.get("image") == member


def test_picture_and_item_travel_as_two_parts() -> None:
    call = calls.put_item("demo", **{**NOTHING, "id": "cat", "image": Picture(b"jpeg", "cat.jpg")})
    files = call.content(Picture(b"jpeg", "cat.jpg"))["files"]
    assert files["image"][:2] == ("cat.jpg", b"jpeg")
    assert orjson.loads(files["item"][1]) == {"id": "cat"}


def test_vectors_as_bytes_become_base64_and_numbers_stay_numbers() -> None:
    vector = np.array([1.0, 0.5], np.float32)
    body = calls.item_body(vectors={"a": vector.tobytes(), "b": vector, "c": [1, 0.5]})
    assert body["vectors"] == {"a": "AACAPwAAAD8=", "b": "AACAPwAAAD8=", "c": [1.0, 0.5]}


def test_batches_are_lines_of_json() -> None:
    items = [{"id": "a", "vectors": {"own": np.array([1.0, 0.5])}}, {"id": "b", "text": "words"}]
    content = calls.put_items("demo", items).content(None)
    assert content["headers"] == {"content-type": "application/x-ndjson"}
    assert content["content"] == b'{"id":"a","vectors":{"own":"AACAPwAAAD8="}}\n{"id":"b","text":"words"}'


def test_ids_that_look_like_paths_stay_one_segment() -> None:
    assert calls.get_item("demo", "a/b c").path == "/v1/collections/demo/items/a%2Fb%20c"


def test_search_states_the_query() -> None:
    call = calls.search(
        "demo", **{**NO_QUERY, "vector": ("mine", [1, 2]), "filter": {"tags_any": ["x"]}, "explain": True}
    )
    assert call.body == {
        "query": {"vector": {"field": "mine", "values": [1.0, 2.0]}},
        "k": 10,
        "target": "items",
        "filter": {"tags_any": ["x"]},
        "explain": True,
    }


def test_search_states_words_order_groups_and_facets() -> None:
    asked: dict[str, Any] = {
        "fusion": "weighted",
        "weights": {"image": 2.0},
        "sort": ["-price", {"field": "_id"}],
        "group_by": {"field": "brand", "size": 3},
        "facets": ["brand", {"field": "_tags", "limit": 5}],
    }
    call = calls.search("demo", **{**NO_QUERY, "full_text": "red shoe", "hybrid": True, **asked})
    assert call.body == {
        "query": {},
        "k": 10,
        "target": "items",
        "full_text": {"query": "red shoe"},
        "hybrid": True,
        **asked,
    }


def test_search_answers_are_typed() -> None:
    results = calls.search("demo", **{**NO_QUERY, "full_text": {"query": "red", "highlight": True}}).read(
        b"""{"hits": [{"id": "a", "score": 1.5, "group": "x", "highlights": [
            {"part": "text", "excerpt": "red", "ranges": [[0, 3]], "marked": "<mark>red</mark>"}]},
            {"id": "b", "score": 1, "group": null}],
            "facets": {"sold": {"values": [{"value": true, "count": 2}, {"value": 7, "count": 1}],
            "others": 1, "missing": 4}}}"""
    )
    assert [hit.group for hit in results.hits] == ["x", None]
    assert results.hits[0].highlights[0].ranges == ((0, 3),)
    facet = results.facets["sold"]
    assert [(entry.value, entry.count) for entry in facet.values] == [(True, 2), (7, 1)]
    assert (facet.others, facet.missing) == (1, 4)


def test_clicks_name_query_item_and_rank() -> None:
    call = calls.tell_click("demo", "0f-s", "a/b", 2)
    assert (call.method, call.path) == ("POST", "/v1/collections/demo/clicks")
    assert call.body == {"query_id": "0f-s", "item": "a/b", "rank": 2}
    assert call.read(b"") is None


def test_both_clients_search_alike() -> None:
    def parameters(client: type) -> list[str]:
        return list(inspect.signature(client.search).parameters)  # type: ignore[attr-defined]

    assert parameters(Sightwire) == parameters(AsyncSightwire)
    assert set(parameters(Sightwire)) - {"self"} == set(inspect.signature(calls.search).parameters)


def test_collections_are_read_nested_and_flat() -> None:
    nested = calls.get_collection("demo").read(
        b'{"spec": {"name": "demo", "description": "d"}, "uid": "1", "items": 3}'
    )
    flat = calls.get_collection("demo").read(b'{"name": "demo", "description": "d", "uid": "1", "items": 3}')
    assert (nested.name, nested.description, nested.uid, nested.items) == ("demo", "d", "1", 3)
    assert (flat.name, flat.description, flat.uid, flat.items) == ("demo", "d", "1", 3)


def test_only_status_events_are_read_as_statuses() -> None:
    stream = """: still here

event: status
data: {"id": "a", "state": "embedded"}

event: status
data: {"id": "a", "state": "searchable"}

event: end
data: {"reason": "final"}
"""
    reader = calls.EventReader("status", ItemStatus)
    statuses = [status for line in stream.splitlines() if (status := reader.feed(line)) is not None]
    assert [status.state for status in statuses] == ["embedded", "searchable"]


BUSY = ApiError(429, {"title": "Too many requests"})
WRONG = ApiError(422, {"title": "Unprocessable"})
BROKEN = ConnectionFailedError("broken")


@pytest.mark.parametrize(
    ("error", "attempt", "repeatable", "retried"),
    [
        (BUSY, 1, False, True),
        (BUSY, ATTEMPTS, True, False),
        (WRONG, 1, True, False),
        (BROKEN, 1, True, True),
        (BROKEN, 1, False, False),
    ],
)
def test_retries(error: ApiError | ConnectionFailedError, attempt: int, repeatable: bool, retried: bool) -> None:
    assert (delay_before_retry(error, attempt, repeatable=repeatable) is not None) == retried


def test_problem_documents_are_told_in_words() -> None:
    problem = {
        "type": "urn:sightwire:problem:invalid-input",
        "title": "T",
        "detail": "k must be 1 or more",
        "trace_id": "f",
    }
    error = ApiError(422, {**problem, "errors": ["k: got 0"]})
    assert str(error) == "k must be 1 or more (k: got 0)"
    assert (error.kind, error.trace_id) == ("invalid-input", "f")
