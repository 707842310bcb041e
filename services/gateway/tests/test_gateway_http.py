"""The gateway over HTTP: what bad requests get, what good ones put on the bus, and how waits and streams end."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2
from nats.aio.client import Client
from PIL import Image

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.http_gateway import DIMENSION, SPACE, RunningGateway, run_gateway
from sightwire.contracts.events import ItemState, ItemStatus
from sightwire.errors import (
    DeadlineError,
    InvalidFilterError,
    NotFoundError,
    OverloadedError,
    SightwireError,
    UnavailableError,
    UnknownCollectionError,
)
from sightwire.platform.nats_server import NatsServer
from sightwire.v1 import searcher_pb2
from tests.plugin.waiting import Eventually
from tests.plugin.web import web_server

PROBLEM = "application/problem+json"


def picture(size: tuple[int, int] = (60, 40), format_: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, format_)
    return file.getvalue()


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:sightwire:problem:{code}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["trace_id"] == answer.headers["x-trace-id"]
    assert len(problem["trace_id"]) == 32
    assert "Traceback" not in answer.text
    return problem


@pytest.fixture
def http(running: RunningGateway) -> httpx.AsyncClient:
    return running.http


@pytest_asyncio.fixture
async def collection(running: RunningGateway, unique_name: Callable[..., str]) -> AsyncIterator[str]:
    yield await running.make_collection(unique_name("photos"))
    running.searcher.failure = running.embedder.failure = None
    running.searcher.hits, running.searcher.more = [], False


async def status_count(running: RunningGateway, collection: str, item_id: str) -> ItemStatus | None:
    return await running.gateway.statuses.get(collection, item_id)


# Collections


async def test_a_collection_is_made_described_listed_and_deleted(http: httpx.AsyncClient, unique_name):
    name = unique_name()
    made = await http.post("/v1/collections", json={"name": name, "description": "pictures"})
    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/collections/{name}"
    assert made.json()["space"] == SPACE
    assert made.json()["fields"]["image"]["dimension"] == DIMENSION
    assert made.json()["class_names"] == ["person", "cat"]
    problem_of(await http.post("/v1/collections", json={"name": name}), 409, "conflict")
    described = (await http.get(f"/v1/collections/{name}")).json()
    assert (described["items"], described["uid"]) == (3, made.json()["uid"])
    listed = (await http.get("/v1/collections")).json()["collections"]
    assert name in [entry["name"] for entry in listed]
    assert (await http.delete(f"/v1/collections/{name}")).status_code == 204
    problem_of(await http.get(f"/v1/collections/{name}"), 404, "unknown-collection")
    problem_of(await http.delete(f"/v1/collections/{name}"), 404, "unknown-collection")


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "Bad Name"},
        {"name": "a", "fields": {"own": {}}},
        {"name": "a", "fields": {}},
        {"name": "a", "fields": {"image": {"source": "image", "dimension": 99}}},
        {"name": "a", "unknown": 1},
        {},
        [],
    ],
)
async def test_bad_specifications_are_refused(http: httpx.AsyncClient, spec: object):
    answer = await http.post("/v1/collections", json=spec)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == PROBLEM


async def test_a_collection_of_own_vectors_needs_no_embedder(running: RunningGateway, collection: str, unique_name):
    running.embedder.failure = UnavailableError("no model is loaded")
    problem_of(await running.http.post("/v1/collections", json={"name": unique_name()}), 503, "unavailable")
    await running.make_collection(unique_name(), fields={"own": {"dimension": 2}})


# Problem documents


async def test_unknown_paths_and_methods_are_problems(http: httpx.AsyncClient):
    problem_of(await http.get("/nowhere"), 404, "no-such-route")
    answer = await http.put("/v1/collections")
    problem_of(answer, 405, "method-not-allowed")
    assert answer.headers["allow"]


async def test_the_callers_trace_is_continued(http: httpx.AsyncClient):
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    answer = await http.get("/v1/collections/none-such", headers=headers)
    assert problem_of(answer, 404, "unknown-collection")["trace_id"] == trace_id


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed-request"),
        (b"", "application/json", 400, "malformed-request"),
        (b"\xff\xfe", "application/json", 400, "malformed-request"),
        (b"<a/>", "application/xml", 415, "unsupported-media-type"),
        (b'{"text": 5}', "application/json", 422, "invalid-request"),
        (b'{"text": "a", "colour": "red"}', "application/json", 422, "invalid-request"),
        (b'{"tags": ["a"]}', "application/json", 422, "invalid-input"),
        (b'{"id": " ", "text": "a"}', "application/json", 422, "invalid-request"),
        (b'{"text": "a", "time": "yesterday"}', "application/json", 422, "invalid-request"),
        (b'{"text": "a", "image": {}}', "application/json", 422, "invalid-request"),
        (b'{"image": {"blob": "' + b"0" * 64 + b'"}}', "application/json", 404, "not-found"),
        (b'{"image": {"data": "????"}}', "application/json", 422, "invalid-picture"),
        (b'{"image": {"data": ""}}', "application/json", 422, "invalid-picture"),
        (b'{"image": {"data": "aGVsbG8gd29ybGQ="}}', "application/json", 422, "invalid-picture"),
        (b'{"vectors": {"nope": [1]}}', "application/json", 422, "invalid-vector"),
        (b'{"vectors": {"image": [1, 2, 3, 4]}}', "application/json", 422, "invalid-vector"),
        (b'{"text": "' + b"a" * 100_001 + b'"}', "application/json", 422, "invalid-request"),
        (b"--x", "multipart/form-data", 400, "malformed-request"),
        (b"--x", "multipart/form-data; boundary=x", 400, "malformed-request"),
    ],
)
async def test_bad_items_are_refused(
    http: httpx.AsyncClient, collection: str, body: bytes, content_type: str, status: int, code: str
):
    path = f"/v1/collections/{collection}/items"
    problem_of(await http.post(path, content=body, headers={"content-type": content_type}), status, code)


async def test_items_need_a_collection(http: httpx.AsyncClient):
    answer = await http.post("/v1/collections/none-such/items", json={"text": "a"})
    problem_of(answer, 404, "unknown-collection")


@pytest.mark.parametrize(
    ("vector", "message"), [([1.0], "needs 2 float32 numbers, got 1"), ("NaN", "base64"), ([1, 2, 3], "got 3")]
)
async def test_vectors_that_do_not_fit_are_refused(running: RunningGateway, unique_name, vector, message: str):
    name = await running.make_collection(unique_name(), fields={"own": {"dimension": 2}})
    answer = await running.http.post(f"/v1/collections/{name}/items", json={"vectors": {"own": vector}})
    assert message in problem_of(answer, 422, "invalid-vector")["detail"]


async def test_nan_in_a_vector_is_refused(running: RunningGateway, unique_name):
    name = await running.make_collection(unique_name(), fields={"own": {"dimension": 2}})
    body = b'{"vectors": {"own": [1, NaN]}}'
    path = f"/v1/collections/{name}/items"
    answer = await running.http.post(path, content=body, headers={"content-type": "application/json"})
    assert "NaN" in problem_of(answer, 422, "invalid-vector")["detail"]


async def test_metadata_is_checked_against_the_schema(running: RunningGateway, unique_name):
    name = await running.make_collection(unique_name(), metadata={"price": {"type": "float", "required": True}})
    path = f"/v1/collections/{name}/items"
    problem_of(await running.http.post(path, json={"text": "a"}), 422, "invalid-input")
    answer = await running.http.post(path, json={"text": "a", "metadata": {"price": "cheap"}})
    assert "'price' expects float" in problem_of(answer, 422, "invalid-input")["detail"]


# Pictures


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "invalid-picture"),
        (b"hello, I am a text", 422, "invalid-picture"),
        (picture()[:60], 422, "invalid-picture"),
        (picture((5000, 5000)), 413, "too-large"),
        (picture() + bytes(200_000), 413, "too-large"),
    ],
)
async def test_bad_pictures_are_refused_and_leave_nothing(
    running: RunningGateway, collection: str, data: bytes, status: int, code: str
):
    before = await running.gateway.blobs.keys("pictures")
    path = f"/v1/collections/{collection}"
    answer = await running.http.post(f"{path}/images", content=data, headers={"content-type": "image/png"})
    problem_of(answer, status, code)
    form = {"image": ("a.png", data), "item": (None, b'{"id": "bad"}', "application/json")}
    problem_of(await running.http.post(f"{path}/items", files=form), status, code)
    problem_of(await running.http.post(f"{path}/search", files={"image": ("a.png", data)}), status, code)
    parameters = {"collection": collection}
    for route in ("/ingest/image", "/search/similar"):
        problem_of(await running.http.post(route, params=parameters, files={"image": ("a", data)}), status, code)
    assert await running.gateway.blobs.keys("pictures") == before
    assert await running.gateway.statuses.get(collection, "bad") is None


async def test_a_picture_over_the_limit_is_refused_to_a_client_that_sends_all_of_it(
    running: RunningGateway, collection: str
):
    async def chunks() -> AsyncIterator[bytes]:
        yield picture()
        for _ in range(100):
            yield bytes(100_000)

    path = f"/v1/collections/{collection}/images"
    answer = await running.http.post(path, content=chunks(), headers={"content-type": "image/png"})
    problem_of(answer, 413, "too-large")


async def test_a_picture_over_the_limit_is_answered_while_it_still_comes(running: RunningGateway, collection: str):
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(
        f"POST /v1/collections/{collection}/images HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    )
    answering = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    sent = 0
    while not answering.done() and sent < 100_000_000:
        writer.write(b"4000\r\n" + bytes(0x4000) + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)
        sent += 0x4000
    head = await asyncio.wait_for(answering, 5)
    assert head.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in head
    assert sent < 50_000_000
    writer.close()


async def test_a_declared_length_over_the_limit_is_refused_before_the_body(running: RunningGateway, collection: str):
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(
        f"POST /v1/collections/{collection}/images HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\n"
        "content-length: 99999999\r\n\r\n".encode()
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.startswith(b"HTTP/1.1 413")
    writer.close()


async def test_a_body_that_does_not_come_is_given_up(gateway_settings: SettingsFactory, unique_name):
    async with run_gateway(gateway_settings, gateway_upload_seconds=0.3) as running:
        name = await running.make_collection(unique_name())
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(
            f"POST /v1/collections/{name}/images HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n123".encode()
        )
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"request-timeout" in answer
        writer.close()


async def test_an_uploaded_picture_is_stored_once_by_its_content(running: RunningGateway, collection: str):
    data = picture((50, 30), "JPEG")
    answers = [
        await running.http.post(f"/v1/collections/{collection}/images", content=data),
        await running.http.post(f"/v1/collections/{collection}/images", files={"image": ("a.jpg", data)}),
    ]
    assert {answer.status_code for answer in answers} == {201}
    first, second = (answer.json() for answer in answers)
    assert first == second
    assert (first["media_type"], first["width"], first["height"], first["bytes"]) == ("image/jpeg", 50, 30, len(data))
    sha256 = first["sha256"]
    assert await running.gateway.blobs.get(f"pictures/{sha256[:2]}/{sha256}") == data


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/a.png", "http://169.254.169.254/", "ftp://example.org/a", "http://user:p@x/"]
)
async def test_urls_into_the_network_are_refused(running: RunningGateway, collection: str, url: str):
    address = url.format(port=running.port)
    path = f"/v1/collections/{collection}"
    item = {"id": "fetched", "image": {"url": address}}
    problem_of(await running.http.post(f"{path}/items", json=item), 422, "fetch-refused")
    query = {"query": {"image": {"url": address}}}
    problem_of(await running.http.post(f"{path}/search", json=query), 422, "fetch-refused")
    assert await running.gateway.statuses.get(collection, "fetched") is None


async def test_pictures_come_from_allowed_hosts_and_bad_servers_are_refused(
    gateway_settings: SettingsFactory, unique_name: Callable[..., str]
):
    async with (
        run_gateway(gateway_settings, fetch_allow="127.0.0.1", gateway_fetch_seconds=1.0) as running,
        web_server() as web,
    ):
        path = f"/v1/collections/{await running.make_collection(unique_name())}/items"

        async def put(url: str) -> httpx.Response:
            return await running.http.post(path, json={"id": "x", "image": {"url": url}})

        assert (await put(web.answer("/a/good.png?size=1", body=picture()))).status_code == 202
        private = web.answer("/private", status=302, location=f"http://127.0.0.2:{web.port}/a/good.png")
        assert "not at a public address" in problem_of(await put(private), 422, "fetch-refused")["detail"]
        problem_of(await put(web.stream("/slow", b"\0", pause=0.05)), 422, "fetch-refused")
        problem_of(await put(web.stream("/endless", bytes(10_000))), 413, "too-large")
        problem_of(await put(web.answer("/page", body=b"<html>", content_type="text/html")), 422, "fetch-refused")
        problem_of(await put(web.answer("/broken", body=picture()[:60])), 422, "invalid-picture")
        problem_of(await put(web.answer("/gone", status=404)), 422, "fetch-refused")
        problem_of(await put(web.answer("/down", status=503)), 422, "fetch-failed")


# On the bus


async def next_events(connection: Client, collection: str) -> Any:
    """A subscription that sees what is published for a collection."""
    subscription = await connection.subscribe(f"ingest.{collection}")
    await connection.flush()
    return subscription


async def test_an_item_goes_on_the_bus_with_its_picture_as_a_claim_check(
    running: RunningGateway, collection: str, nats_connection: Client
):
    events = await next_events(nats_connection, collection)
    item = {"id": "a/b c%", "text": "red", "tags": ["x"], "metadata": {"n": 1}, "time": "2026-01-31T12:00:00Z"}
    files = {"image": ("C:\\photos\\red.png", picture()), "item": (None, orjson.dumps(item), "application/json")}
    answer = await running.http.post(f"/v1/collections/{collection}/items", files=files)
    assert answer.status_code == 202
    accepted = answer.json()
    assert accepted["status_url"] == f"/v1/collections/{collection}/items/a%2Fb%20c%25/status"
    message = await events.next_msg(timeout=5)
    event = orjson.loads(message.data)
    assert event["id"] == "a/b c%"
    assert event["image"]["filename"] == "red.png"
    assert event["image"]["blob"]["media_type"] == "image/png"
    assert event["metadata"] == {"n": 1}
    assert message.headers["ce-type"] == "sightwire.item.put"
    assert message.headers["Nats-Msg-Id"]
    status = (await running.http.get(accepted["status_url"])).json()
    assert (status["id"], status["state"]) == ("a/b c%", "accepted")


async def test_a_deletion_goes_on_the_bus(running: RunningGateway, collection: str, nats_connection: Client):
    events = await next_events(nats_connection, collection)
    answer = await running.http.delete(f"/v1/collections/{collection}/items/a%2Fb")
    assert answer.status_code == 202
    event = orjson.loads((await events.next_msg(timeout=5)).data)
    assert (event["id"], event["operation"]) == ("a/b", "delete")


async def test_each_item_of_a_batch_is_judged_on_its_own(running: RunningGateway, collection: str):
    items = [{"id": "a", "text": "a"}, {"id": "b"}, {"id": "c", "text": 5}, {"text": "d"}]
    answer = await running.http.post(f"/v1/collections/{collection}/items:batch", json={"items": items})
    assert answer.status_code == 202
    result = answer.json()
    assert [entry["index"] for entry in result["accepted"]] == [0, 3]
    assert [(entry["index"], entry["id"]) for entry in result["failed"]] == [(1, "b"), (2, "c")]
    assert result["failed"][1]["problem"]["type"] == "urn:sightwire:problem:invalid-request"
    versions = [entry["version"] for entry in result["accepted"]]
    assert versions[0] < versions[1]


async def test_a_long_batch_comes_as_lines(running: RunningGateway, collection: str):
    async def lines() -> AsyncIterator[bytes]:
        for number in range(600):
            yield orjson.dumps({"id": f"item-{number}", "text": "x"}) + b"\n"
        yield b"\nnot json\n" + orjson.dumps({"id": "last", "text": "x"})

    answer = await running.http.post(
        f"/v1/collections/{collection}/items:batch", content=lines(), headers={"content-type": "application/x-ndjson"}
    )
    result = answer.json()
    assert len(result["accepted"]) == 601
    assert [entry["index"] for entry in result["failed"]] == [600]
    assert result["accepted"][-1]["id"] == "last"


async def test_a_batch_over_its_limit_is_refused(running: RunningGateway, collection: str):
    path = f"/v1/collections/{collection}/items:batch"
    problem_of(await running.http.post(path, json={"items": [{"text": "x"}] * 51}), 413, "too-large")
    problem_of(await running.http.post(path, json={"items": []}), 422, "invalid-request")
    problem_of(await running.http.post(path, json={"items": [{"text": "x" * 400_000}]}), 413, "too-large")


# Waiting


async def finish(running: RunningGateway, collection: str, item_id: str, state: ItemState, **members: Any) -> None:
    """Does what indexer and embedder do when an item is through, once it has been accepted."""
    async with running.gateway.statuses.follow(collection, item_id) as updates:
        async for _ in updates:
            break
    members.setdefault("version", 10**9)
    await running.gateway.statuses.send(ItemStatus(collection=collection, id=item_id, state=state, **members))


async def test_a_put_can_wait_until_its_item_is_searchable(running: RunningGateway, collection: str):
    path = f"/v1/collections/{collection}/items"
    answer, _ = await asyncio.gather(
        running.http.post(path, params={"wait": "searchable"}, json={"id": "a", "text": "x"}),
        finish(running, collection, "a", ItemState.SEARCHABLE, manifest_version=3),
    )
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["manifest_version"]) == ("searchable", 3)


async def test_a_failed_item_is_a_problem_for_who_waits(running: RunningGateway, collection: str):
    path = f"/v1/collections/{collection}/items"
    answer, _ = await asyncio.gather(
        running.http.post(path, params={"wait": "searchable"}, json={"id": "a", "text": "x"}),
        finish(running, collection, "a", ItemState.FAILED, reason="the model refused it"),
    )
    assert "the model refused it" in problem_of(answer, 422, "item-failed")["detail"]


async def test_what_became_of_an_earlier_put_ends_no_wait(running: RunningGateway, collection: str):
    path = f"/v1/collections/{collection}/items"
    await running.gateway.statuses.send(
        ItemStatus(collection=collection, id="a", state=ItemState.SEARCHABLE, version=1)
    )
    parameters = {"wait": "searchable", "timeout": "0.3"}
    answer, _ = await asyncio.gather(
        running.http.post(path, params=parameters, json={"id": "a", "text": "x"}),
        finish(running, collection, "a", ItemState.SEARCHABLE, version=1),
    )
    problem = problem_of(answer, 504, "not-in-time")
    assert "stays accepted" in problem["detail"]


async def test_waiting_has_an_end(running: RunningGateway, collection: str):
    path = f"/v1/collections/{collection}/items"
    parameters = {"wait": "searchable", "timeout": "0.2"}
    problem_of(await running.http.post(path, params=parameters, json={"text": "x"}), 504, "not-in-time")
    for bad in ({"wait": "forever"}, {"wait": "searchable", "timeout": "0"}, {"timeout": "soon"}):
        problem_of(await running.http.post(path, params=bad, json={"text": "x"}), 422, "invalid-request")


async def events_of(answer: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    """Events of a stream until its end."""
    events, name = [], ""
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            events.append((name, orjson.loads(line.removeprefix("data: "))))
    return events


async def test_a_stream_of_statuses_ends_when_the_item_is_final(running: RunningGateway, collection: str):
    await running.http.post(f"/v1/collections/{collection}/items", json={"id": "a/b", "text": "x"})
    async with running.http.stream("GET", f"/v1/collections/{collection}/items/a%2Fb/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events, _ = await asyncio.gather(
            events_of(answer), finish(running, collection, "a/b", ItemState.SEARCHABLE, objects=2)
        )
    assert [(name, event.get("state", event.get("reason"))) for name, event in events] == [
        ("status", "accepted"),
        ("status", "searchable"),
        ("end", "final"),
    ]


async def test_several_items_are_followed_in_one_stream(running: RunningGateway, collection: str):
    for item_id in ("a", "b,c"):
        await running.http.post(f"/v1/collections/{collection}/items", json={"id": item_id, "text": "x"})
    parameters = {"ids": "a", "id": "b,c"}
    async with running.http.stream("GET", f"/v1/collections/{collection}/events", params=parameters) as answer:
        events, *_ = await asyncio.gather(
            events_of(answer),
            finish(running, collection, "a", ItemState.SEARCHABLE),
            finish(running, collection, "b,c", ItemState.FAILED, reason="x"),
        )
    last = {event["id"]: event["state"] for name, event in events if name == "status"}
    assert last == {"a": "searchable", "b,c": "failed"}
    assert events[-1] == ("end", {"reason": "final"})
    problem_of(await running.http.get(f"/v1/collections/{collection}/events"), 422, "invalid-input")


async def test_statuses_of_unknown_items_are_not_found(running: RunningGateway, collection: str):
    for part in ("/status", "/events", "/image", "/thumbnail", ""):
        answer = await running.http.get(f"/v1/collections/{collection}/items/none{part}")
        problem_of(answer, 404, "not-found")


async def test_draining_ends_streams_and_lets_requests_finish(
    gateway_settings: SettingsFactory, unique_name: Callable[..., str], eventually: Eventually
):
    async with run_gateway(gateway_settings) as running:
        name = await running.make_collection(unique_name())
        await running.http.post(f"/v1/collections/{name}/items", json={"id": "a", "text": "x"})
        running.searcher.delay.clear()
        search = asyncio.create_task(
            running.http.post(f"/v1/collections/{name}/search", json={"query": {"text": "cat"}})
        )
        async with running.http.stream("GET", f"/v1/collections/{name}/items/a/events") as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == ": still here"
            await eventually(lambda: running.searcher.searches)
            assert (await running.http.get("/readyz")).status_code == 200
            running.stopping.set()
            assert (await running.http.get("/readyz")).json()["checks"]["draining"]
            running.server.should_exit = True
            rest = [line async for line in lines]
        assert rest[-3:-1] == ["event: end", 'data: {"reason":"draining"}']
        running.searcher.delay.set()
        assert (await search).status_code == 200
        await asyncio.wait_for(running.serving, 10)


async def test_idle_connections_outlive_what_clients_keep(running: RunningGateway):
    # Equal ages would let a client send into a connection that is being closed.
    kept = httpx.Limits().keepalive_expiry
    assert kept is not None
    assert running.server.config.timeout_keep_alive > 2 * kept


# Searching


def hit(item_id: str, **members: Any) -> searcher_pb2.Hit:
    document = {"id": item_id, "version": 1, "time": "2026-01-01T00:00:00Z", "tags": [], "metadata": {}, **members}
    return searcher_pb2.Hit(item_id=item_id, score=0.5, document=orjson.dumps(document))


async def test_the_searcher_is_asked_for_what_the_caller_wants(running: RunningGateway, collection: str):
    running.searcher.hits = [hit("a/b", text="x")]
    running.searcher.more = True
    request = {"query": {"text": "a cat"}, "k": 5, "filter": {"tags_any": ["x"]}, "fields": ["text"], "ef_search": 99}
    answer = await running.http.post(f"/v1/collections/{collection}/search", json=request)
    assert answer.status_code == 200
    asked = running.searcher.searches[-1]
    assert [(query.field, query.space, len(query.vector)) for query in asked.queries] == [("text", SPACE, 16)]
    assert (asked.k, asked.offset, asked.manifest_version, asked.ef_search) == (5, 0, 0, 99)
    assert list(asked.filter.tags_any.values) == ["x"]
    body = answer.json()
    assert body["hits"][0]["item"]["text"] == "x"
    assert body["manifest_version"] == 7

    following = {**request, "k": 3, "cursor": body["next_cursor"]}
    assert (await running.http.post(f"/v1/collections/{collection}/search", json=following)).status_code == 200
    asked = running.searcher.searches[-1]
    assert (asked.k, asked.offset, asked.manifest_version) == (3, 5, 7)
    for change in ({"query": {"text": "a dog"}}, {"filter": {"tags_any": ["y"]}}, {"cursor": "made up"}):
        answer = await running.http.post(f"/v1/collections/{collection}/search", json={**following, **change})
        problem_of(answer, 400, "invalid-cursor")


async def test_words_orders_groups_and_facets_reach_the_searcher_and_come_back(
    running: RunningGateway, collection: str
):
    red = searcher_pb2.Value(string_value="red")
    found = hit("a", text="a red cat")
    found.group.CopyFrom(red)
    found.field_scores.add(field="_text", score=2.5, rank=1)
    found.highlights.add(part="text", excerpt="a <red> cat").marked.add(start=3, end=6)
    running.searcher.hits = [found, hit("b")]
    running.searcher.more = False
    running.searcher.facets = [searcher_pb2.Facet(field="colour", others=1, missing=2)]
    running.searcher.facets[0].values.add(value=red, count=5)
    request = {
        "full_text": {"query": "red cat", "parts": ["text"], "require_all": True, "highlight": True},
        "sort": ["-price", {"field": "_id"}],
        "group_by": {"field": "colour", "size": 3},
        "facets": [{"field": "colour", "limit": 1}],
        "explain": True,
    }
    answer = await running.http.post(f"/v1/collections/{collection}/search", json=request)
    running.searcher.facets = []
    assert answer.status_code == 200, answer.text

    asked = running.searcher.searches[-1]
    assert not asked.queries
    assert asked.text == searcher_pb2.TextQuery(text="red cat", parts=["text"], require_all=True, highlight=True)
    assert [(key.field, key.descending) for key in asked.sort] == [("price", True), ("_id", False)]
    assert (asked.group_by.field, asked.group_by.size) == ("colour", 3)
    assert [(facet.field, facet.limit) for facet in asked.facets] == [("colour", 1)]

    body = answer.json()
    assert body["facets"] == {"colour": {"values": [{"value": "red", "count": 5}], "others": 1, "missing": 2}}
    first, second = body["hits"]
    assert (first["group"], second["group"]) == ("red", None)
    assert first["explain"]["_text"] == {"score": 2.5, "rank": 1}
    assert first["highlights"] == [
        {"part": "text", "excerpt": "a <red> cat", "ranges": [[3, 6]], "marked": "a &lt;<mark>red</mark>&gt; cat"}
    ]


async def test_a_hybrid_search_takes_vectors_and_words_of_one_text(running: RunningGateway, collection: str):
    running.searcher.hits = [hit("a")]
    request = {"query": {"text": "cat"}, "hybrid": True, "weights": {"image": 2}}
    answer = await running.http.post(f"/v1/collections/{collection}/search", json=request)
    assert answer.status_code == 200, answer.text
    asked = running.searcher.searches[-1]
    assert [(query.field, query.weight) for query in asked.queries] == [("image", 2), ("text", 0)]
    assert asked.text.text == "cat"
    assert asked.fusion == searcher_pb2.FUSION_MEAN_SCORE
    assert not {"group", "highlights"} & answer.json()["hits"][0].keys()


async def test_the_hybrid_route_searches_by_vectors_and_words(running: RunningGateway, collection: str):
    body = {"text_query": "cat", "tags": ["x"]}
    answer = await running.http.post(f"/search/hybrid?collection={collection}", json=body)
    assert answer.status_code == 200, answer.text
    asked = running.searcher.searches[-1]
    assert [query.field for query in asked.queries] == ["image", "text"]
    assert (asked.text.text, asked.fusion) == ("cat", searcher_pb2.FUSION_MEAN_SCORE)
    assert asked.filter.all.filters[0].has_image


async def test_a_query_text_is_embedded_once(running: RunningGateway, collection: str, unique_name):
    text = unique_name("a text")
    for _ in range(3):
        await running.http.post(f"/v1/collections/{collection}/search", json={"query": {"text": text}})
    assert running.embedder.texts.count(text) == 1
    metrics = (await running.http.get("/metrics")).text
    assert "embedding_cache_hit_rate" in metrics


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": {"text": "cat"}, "k": 0}, 422, "invalid-request"),
        ({"query": {"text": "cat"}, "k": 1001}, 422, "invalid-request"),
        ({"query": {"text": " "}}, 422, "invalid-input"),
        ({"query": {"text": "x" * 10_001}}, 422, "invalid-input"),
        ({"query": {}}, 422, "invalid-input"),
        ({}, 422, "invalid-input"),
        ({"query": {"text": "cat", "item": "a"}}, 422, "invalid-request"),
        ({"query": {"text": "cat"}, "sort": ["price"]}, 422, "invalid-input"),
        ({"query": {"item": "a"}, "hybrid": True}, 422, "invalid-input"),
        ({"full_text": {"query": "cat", "parts": ["title"]}}, 422, "invalid-request"),
        ({"full_text": "cat"}, 422, "invalid-request"),
        ({"sort": []}, 422, "invalid-request"),
        ({"sort": ["-"]}, 422, "invalid-request"),
        ({"facets": [{"field": "shop", "limit": 0}]}, 422, "invalid-request"),
        ({"facets": ["shop"], "group_by": {"field": "shop", "size": 101}}, 422, "invalid-request"),
        ({"query": {"text": "cat"}, "weights": {"image": 0}}, 422, "invalid-request"),
        ({"query": {"text": "cat"}, "fusion": "best"}, 422, "invalid-request"),
        ({"query": {"vector": {"field": "image", "values": [1]}}}, 422, "invalid-vector"),
        ({"query": {"vector": {"field": "none", "values": [1]}}}, 422, "invalid-input"),
        ({"query": {"text": "cat"}, "fields": ["none"]}, 422, "invalid-input"),
        ({"query": {"text": "cat"}, "filter": {}}, 422, "invalid-filter"),
        ({"query": {"text": "cat"}, "filter": {"colour": 1}}, 422, "invalid-filter"),
        ({"query": {"text": "cat"}, "filter": {"time": {"from": "yesterday"}}}, 422, "invalid-filter"),
        ({"query": {"text": "cat"}, "filter": {"classes": {"names": ["unicorn"]}}}, 422, "invalid-filter"),
        (
            {"query": {"text": "cat"}, "filter": {"metadata": {"field": "price", "op": "lt", "value": 1}}},
            422,
            "invalid-filter",
        ),
        ({"query": {"image": {"data": "AAAA"}}}, 422, "invalid-picture"),
        ({"query": {"image": {"blob": "0" * 64}}}, 404, "not-found"),
        ({"query": {"text": "cat"}, "cursor": "x" * 2000}, 422, "invalid-request"),
    ],
)
async def test_bad_searches_are_refused(
    running: RunningGateway, collection: str, body: dict[str, Any], status: int, code: str
):
    problem_of(await running.http.post(f"/v1/collections/{collection}/search", json=body), status, code)


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (UnavailableError("restarting"), 503, "unavailable"),
        (DeadlineError("too slow"), 504, "deadline-exceeded"),
        (OverloadedError("full"), 429, "overloaded"),
        (NotFoundError("no such item"), 404, "not-found"),
        (InvalidFilterError("no such column"), 422, "invalid-filter"),
        (SightwireError("broken"), 500, "internal-error"),
    ],
)
async def test_failures_of_the_searcher_keep_their_kind(
    running: RunningGateway, collection: str, failure: SightwireError, status: int, code: str
):
    running.searcher.failure = failure
    answer = await running.http.post(f"/v1/collections/{collection}/search", json={"query": {"text": "cat"}})
    problem = problem_of(answer, status, code)
    assert failure.detail in problem["detail"]


async def test_a_collection_that_no_searcher_has_yet_is_unavailable(running: RunningGateway, collection: str):
    running.searcher.failure = UnknownCollectionError("never heard of it")
    answer = await running.http.post(f"/v1/collections/{collection}/search", json={"query": {"text": "cat"}})
    problem_of(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/search/text?k=5", None),
        ("GET", "/search/text?q=cat&k=0", None),
        ("GET", "/search/text?q=cat&k=101", None),
        ("GET", "/search/text?q=cat&k=many", None),
        ("GET", "/search/text?q=%20", None),
        ("GET", "/search?q=", None),
        ("GET", "/search?q=cat&k=0", None),
        ("POST", "/search/hybrid", {}),
        ("POST", "/search/hybrid", {"text_query": " "}),
        ("POST", "/search/hybrid", {"text_query": "cat", "k": 0}),
        ("POST", "/search/hybrid", {"text_query": "cat", "date_from": "31.01.2026"}),
        ("POST", "/search/hybrid", {"text_query": "cat", "date_from": "2026-02-01", "date_to": "2026-01-01"}),
        ("POST", "/search/hybrid", {"text_query": "cat", "yolo_classes": ["unicorn"]}),
        ("POST", "/search/hybrid", {"text_query": "cat", "min_confidence": 2}),
    ],
)
async def test_bad_requests_of_existing_clients_are_refused(running: RunningGateway, method: str, path: str, body):
    answer = await running.http.request(method, path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == PROBLEM


async def test_forms_without_a_picture_are_refused(running: RunningGateway):
    for path in ("/ingest/image", "/search/similar"):
        answer = await running.http.post(path, files={"item": (None, b"{}")})
        problem_of(answer, 422, "invalid-input")
        problem_of(await running.http.post(path, json={}), 415, "unsupported-media-type")


# Health, keys, documentation


async def test_health_of_a_triton_server(gateway_settings: SettingsFactory, eventually: Eventually):
    async with run_gateway(gateway_settings) as running:
        for state, said, status in (
            ("healthy", "healthy", 200),
            ("it does not answer", "unhealthy: it does not answer", 503),
        ):
            running.embedder.triton = state

            async def is_said(said: str = said, status: int = status) -> bool:
                health = await running.http.get("/health")
                return (health.json()["triton"], health.status_code) == (said, status)

            await eventually(is_said)


async def test_health_tells_the_truth(gateway_settings: SettingsFactory, eventually: Eventually):
    async with run_gateway(gateway_settings) as running:
        health = await running.http.get("/health")
        assert health.status_code == 200
        assert health.json() == {
            "nats": "healthy",
            "faiss": "healthy",
            "tokenizer": "loaded",
            "triton": "disabled",
            "opensearch": "disabled",
            "redis": "disabled",
        }
        assert (await running.http.get("/readyz")).json()["status"] == "ready"
        await running.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        running.embedder.failure = UnavailableError("the bundle is being loaded")

        async def is_unhealthy() -> bool:
            return (await running.http.get("/health")).status_code == 503

        await eventually(is_unhealthy)
        health = await running.http.get("/health")
        assert health.json()["faiss"].startswith("unhealthy: the searcher runs, but")
        assert health.json()["tokenizer"] == "unhealthy: the bundle is being loaded"
        assert (await running.http.get("/readyz")).status_code == 503
        assert (await running.http.get("/livez")).status_code == 200
        status = (await running.http.get("/v1/status")).json()
        assert status["services"]["nats"] == "healthy"
        assert status["services"]["searcher"].startswith("unhealthy")


async def test_everything_but_health_needs_the_key(gateway_settings: SettingsFactory):
    key = "a-key-of-sixteen-characters"
    async with run_gateway(gateway_settings, admin_key=key) as running:
        for path in ("/", "/v1/collections", "/metrics", "/docs", "/openapi.json", "/search/text?q=cat", "/nowhere"):
            answer = await running.http.get(path)
            problem_of(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
            wrong = await running.http.get(path, headers={"authorization": "Bearer wrong"})
            problem_of(wrong, 401, "unauthorized")
        for path in ("/health", "/livez", "/readyz"):
            assert (await running.http.get(path)).status_code == 200
        for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
            assert (await running.http.get("/v1/collections", headers=headers)).status_code == 200


async def test_existing_dashboards_find_their_metrics(running: RunningGateway):
    await running.http.get("/search/text?q=cat")
    await running.http.get("/search/text?q=%20")
    text = (await running.http.get("/metrics")).text
    for name in (
        'visual_search_requests_total{endpoint="/search/text",status="200"}',
        'visual_search_requests_total{endpoint="/search/text",status="422"}',
        'visual_search_request_duration_seconds_count{endpoint="/search/text"}',
        'embeddings_generated_total{type="text"}',
        'embeddings_generated_total{type="image"}',
        'embeddings_generated_total{type="object"}',
        "triton_inference_duration_seconds_count{model=",
        "opensearch_query_duration_seconds_count",
        "embedding_cache_size",
        "embedding_cache_hit_rate",
        'sightwire_gateway_http_requests_total{method="GET",route="/search/text",status="200"}',
    ):
        assert name in text, name


async def test_the_openapi_document_is_complete(running: RunningGateway):
    assert (await running.http.get("/")).json().keys() == {"service", "status", "version"}
    document = (await running.http.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    references: set[str] = set()

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(reference := node.get("$ref"), str):
                references.add(reference.removeprefix("#/components/schemas/"))
            for value in node.values():
                collect(value)
        elif isinstance(node, list):
            for value in node:
                collect(value)

    collect(document)
    assert references <= schemas.keys()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert "default" in operation["responses"], (method, path)
    assert "example" in schemas["ItemRequest"]
    assert (await running.http.get("/docs")).status_code == 200


async def test_searches_go_on_while_the_bus_is_away(
    fresh_nats_server: NatsServer,
    gateway_settings: SettingsFactory,
    unique_name: Callable[..., str],
    eventually: Eventually,
):
    access = fresh_nats_server.access
    bus = {"nats_url": access.url, "nats_user": access.user, "nats_password": access.password}
    async with run_gateway(gateway_settings, **bus) as running:
        name = await running.make_collection(unique_name())
        path = f"/v1/collections/{name}"
        assert (await running.http.post(f"{path}/items", json={"id": "a", "text": "x"})).status_code == 202
        await fresh_nats_server.kill()

        async def is_refused() -> bool:
            answer = await running.http.post(f"{path}/items", json={"id": "b", "text": "x"})
            problem_of(answer, 503, "unavailable")
            return True

        await eventually(is_refused)
        batch = (await running.http.post(f"{path}/items:batch", json={"items": [{"id": "c", "text": "x"}]})).json()
        assert batch["accepted"] == []
        assert batch["failed"][0]["problem"]["status"] == 503
        assert (await running.http.post(f"{path}/search", json={"query": {"text": "cat"}})).status_code == 200
        health = await running.http.get("/health")
        assert (health.status_code, health.json()["faiss"]) == (200, "healthy")
        assert health.json()["nats"].startswith("unhealthy")

        await fresh_nats_server.start()

        async def is_accepted() -> bool:
            return (await running.http.post(f"{path}/items", json={"id": "b", "text": "x"})).status_code == 202

        await eventually(is_accepted, deadline=20)
