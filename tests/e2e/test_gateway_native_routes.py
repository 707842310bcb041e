"""The native API with everything behind it: what is put is found, paged, shown, replaced and deleted."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from PIL import Image

PHOTOS = Path(__file__).parents[1] / "fixtures" / "photos"
CAT = (PHOTOS / "chelsea.jpg").read_bytes()
ASTRONAUT = (PHOTOS / "astronaut.jpg").read_bytes()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http(platform) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=platform.gateway_url, timeout=60, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def photos(http: httpx.AsyncClient) -> str:
    """A collection with a cat, an astronaut and a text."""
    name = "photos-of-native-routes"
    spec = {"name": name, "metadata": {"year": {"type": "integer"}}}
    assert (await http.post("/v1/collections", json=spec)).status_code == 201
    items: list[tuple[dict[str, Any], bytes]] = [
        ({"id": "pets/cat 1.jpg", "tags": ["pet"], "metadata": {"year": 2020}, "time": "2020-05-01T00:00:00Z"}, CAT),
        ({"id": "astronaut", "tags": ["space"], "metadata": {"year": 1999}, "time": "1999-05-01T00:00:00Z"}, ASTRONAUT),
    ]
    for item, data in items:
        await put(http, name, item, data)
    await put(http, name, {"id": "words", "text": "a recipe for tomato soup", "metadata": {"year": 2021}})
    return name


async def put(
    http: httpx.AsyncClient, collection: str, item: dict[str, Any], data: bytes | None = None
) -> dict[str, Any]:
    files: dict[str, Any] = {"item": (None, orjson.dumps(item), "application/json")}
    if data is not None:
        files["image"] = (f"{item['id']}.jpg", data, "image/jpeg")
    answer = await http.post(f"/v1/collections/{collection}/items", params={"wait": "searchable"}, files=files)
    assert answer.status_code == 200, answer.text
    status: dict[str, Any] = answer.json()
    return status


async def search(http: httpx.AsyncClient, collection: str, **request: Any) -> dict[str, Any]:
    answer = await http.post(f"/v1/collections/{collection}/search", json=request)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(found: dict[str, Any]) -> list[str]:
    return [hit["id"] for hit in found["hits"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a cat", "pets/cat 1.jpg"), ("an astronaut", "astronaut"), ("tomato soup", "words")],
)
async def test_items_are_found_by_text(http: httpx.AsyncClient, photos: str, text: str, expected: str):
    assert ids(await search(http, photos, query={"text": text}))[0] == expected


async def test_a_picture_is_found_by_itself_however_it_comes(http: httpx.AsyncClient, photos: str):
    uploaded = (await http.post(f"/v1/collections/{photos}/images", content=CAT)).json()
    for image in ({"data": base64.b64encode(CAT).decode()}, {"blob": uploaded["sha256"]}):
        found = await search(http, photos, query={"image": image}, k=1)
        assert ids(found) == ["pets/cat 1.jpg"]
        assert found["hits"][0]["score"] > 0.99
    form = {"image": ("cat.jpg", CAT), "request": (None, b'{"k": 1}', "application/json")}
    answer = await http.post(f"/v1/collections/{photos}/search", files=form)
    assert ids(answer.json()) == ["pets/cat 1.jpg"]


async def test_objects_are_found_with_their_boxes(http: httpx.AsyncClient, photos: str):
    found = await search(
        http, photos, query={"text": "person"}, target="objects", filter={"classes": {"names": ["person"]}}
    )
    assert ids(found) == ["astronaut"]
    [matched, *_] = found["hits"][0]["objects"]
    assert matched["class_name"] == "person"
    box = matched["bbox"]
    assert 0 <= box["x1"] < box["x2"] <= 512
    assert 0 <= box["y1"] < box["y2"] <= 512


async def test_a_stored_item_is_a_query(http: httpx.AsyncClient, photos: str):
    assert ids(await search(http, photos, query={"item": "pets/cat 1.jpg"}))[0] == "pets/cat 1.jpg"
    answer = await http.post(f"/v1/collections/{photos}/search", json={"query": {"item": "none such"}})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"tags_any": ["pet"]}, {"pets/cat 1.jpg"}),
        ({"not": {"tags_any": ["pet"]}}, {"astronaut", "words"}),
        ({"metadata": {"field": "year", "op": "gte", "value": 2020}}, {"pets/cat 1.jpg", "words"}),
        ({"time": {"from": "1999-01-01T00:00:00Z", "to": "1999-12-31T00:00:00Z"}}, {"astronaut"}),
        ({"has_image": False}, {"words"}),
        ({"classes": {"names": ["cat"], "min_confidence": 0.3}}, {"pets/cat 1.jpg"}),
        ({"ids": ["words", "astronaut"]}, {"astronaut", "words"}),
        (
            {"all": [{"tags_any": ["pet", "space"]}, {"metadata": {"field": "year", "op": "lt", "value": 2000}}]},
            {"astronaut"},
        ),
    ],
)
async def test_filters_hold_for_searches_and_lists(
    http: httpx.AsyncClient, photos: str, condition: dict[str, Any], expected: set[str]
):
    assert set(ids(await search(http, photos, query={"text": "anything"}, filter=condition))) == expected
    listed = await http.get(f"/v1/collections/{photos}/items", params={"filter": orjson.dumps(condition).decode()})
    assert {item["id"] for item in listed.json()["items"]} == expected


async def test_an_explanation_tells_fields_and_plan(http: httpx.AsyncClient, photos: str):
    found = await search(http, photos, query={"text": "a cat"}, explain=True)
    assert found["explain"]["fields"] == ["image", "text"]
    assert found["explain"]["plan"]
    assert found["hits"][0]["explain"]["image"]["rank"] == 1


async def test_an_item_is_shown_with_its_status_and_its_picture(http: httpx.AsyncClient, photos: str):
    item = (await http.get(f"/v1/collections/{photos}/items/pets%2Fcat%201.jpg")).json()
    assert item["status"]["state"] == "searchable"
    assert item["image"]["width"] == 451
    assert {found["class_name"] for found in item["objects"]} >= {"cat"}
    picture = await http.get(item["image_url"])
    assert (picture.content, picture.headers["content-type"]) == (CAT, "image/jpeg")
    assert "immutable" in picture.headers["cache-control"]
    again = await http.get(item["image_url"], headers={"if-none-match": picture.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    part = await http.get(item["image_url"], headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, CAT[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(CAT)}"
    assert (await http.get(item["image_url"], headers={"range": "bytes=9999999-"})).status_code == 416
    without_version = await http.get(item["image_url"].partition("?")[0])
    assert without_version.headers["cache-control"] == "private, no-cache"
    for size, longest in ((64, 64), (100, 128), (256, 256)):
        thumbnail = await http.get(item["thumbnail_url"], params={"size": size})
        assert thumbnail.headers["content-type"] == "image/webp"
        assert max(Image.open(io.BytesIO(thumbnail.content)).size) == longest
    assert (await http.get(f"/v1/collections/{photos}/items/words/image")).status_code == 404
    assert (await http.get(item["thumbnail_url"], params={"size": 5})).status_code == 422


async def test_pages_of_a_search_follow_each_other(http: httpx.AsyncClient, unique_name: Callable[..., str]):
    name = unique_name("pages")
    await http.post("/v1/collections", json={"name": name, "fields": {"own": {"dimension": 2}}})
    items = [{"id": f"item-{number:03}", "vectors": {"own": [1.0, number / 100]}} for number in range(250)]
    answer = await http.post(f"/v1/collections/{name}/items:batch", json={"items": items})
    assert len(answer.json()["accepted"]) == 250
    last = {"wait": "searchable"}
    await http.post(f"/v1/collections/{name}/items", params=last, json={"id": "last", "vectors": {"own": [-1, 0]}})
    request: dict[str, Any] = {"query": {"vector": {"field": "own", "values": [1.0, 0.0]}}, "k": 100}
    found: list[str] = []
    while True:
        page = await search(http, name, **request)
        found += ids(page)
        if "next_cursor" not in page:
            break
        request["cursor"] = page["next_cursor"]
    assert found == [f"item-{number:03}" for number in range(250)] + ["last"]

    listed: list[str] = []
    parameters = {"limit": "100"}
    while True:
        page = (await http.get(f"/v1/collections/{name}/items", params=parameters)).json()
        listed += [item["id"] for item in page["items"]]
        if "next_cursor" not in page:
            break
        parameters["cursor"] = page["next_cursor"]
    assert sorted(listed) == sorted(found)


async def test_an_item_is_replaced_and_deleted(http: httpx.AsyncClient, unique_name: Callable[..., str]):
    name = unique_name("versions")
    await http.post("/v1/collections", json={"name": name})
    first = await put(http, name, {"id": "a", "text": "a green tree", "tags": ["old"]})
    second = await put(http, name, {"id": "a", "text": "a red house"})
    assert second["version"] > first["version"]
    item = (await http.get(f"/v1/collections/{name}/items/a")).json()
    assert (item["text"], item["tags"]) == ("a red house", [])
    assert len(ids(await search(http, name, query={"text": "a green tree"}))) == 1
    gone = await http.delete(f"/v1/collections/{name}/items/a", params={"wait": "deleted"})
    assert gone.json()["state"] == "deleted"
    assert ids(await search(http, name, query={"text": "a red house"})) == []
    answer = await http.get(f"/v1/collections/{name}/items/a")
    assert (answer.status_code, "was deleted" in answer.json()["detail"]) == (404, True)
    described = (await http.get(f"/v1/collections/{name}")).json()
    assert described["items"] == 0


async def test_a_collection_that_is_made_again_is_empty(http: httpx.AsyncClient, unique_name: Callable[..., str]):
    name = unique_name("again")
    await http.post("/v1/collections", json={"name": name})
    await put(http, name, {"id": "a", "text": "x"})
    assert (await http.delete(f"/v1/collections/{name}")).status_code == 204
    answer = await http.post(f"/v1/collections/{name}/search", json={"query": {"text": "x"}})
    assert answer.status_code == 404
    assert (await http.post("/v1/collections", json={"name": name})).status_code == 201
    assert ids(await search(http, name, query={"text": "x"})) == []
    assert (await http.get(f"/v1/collections/{name}/items/a")).status_code == 404


async def test_progress_of_an_item_is_streamed(http: httpx.AsyncClient, photos: str, unique_name: Callable[..., str]):
    item_id = unique_name("item")
    await http.post(f"/v1/collections/{photos}/items", json={"id": item_id, "text": "an unrelated text"})
    async with asyncio.timeout(20), http.stream("GET", f"/v1/collections/{photos}/items/{item_id}/events") as answer:
        lines = [line async for line in answer.aiter_lines()]
    events = [orjson.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    states = [event["state"] for event in events if "state" in event]
    assert states[-1] == "searchable"
    assert states == sorted(states, key=["accepted", "embedded", "searchable"].index)
    await http.delete(f"/v1/collections/{photos}/items/{item_id}", params={"wait": "deleted"})
