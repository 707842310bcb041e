"""The routes that existing clients call, with everything behind them."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

PHOTOS = Path(__file__).parents[1] / "fixtures" / "photos"
NAMES = ("chelsea.jpg", "astronaut.jpg", "coffee.jpg")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http(platform) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=platform.gateway_url, timeout=90, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def image_ids(http: httpx.AsyncClient) -> dict[str, str]:
    """Ids of three photographs in the default collection."""
    found: dict[str, str] = {}
    for name in NAMES:
        answer = await http.post(
            "/ingest/image",
            params={"tags": f"photo, {name.partition('.')[0]}"},
            files={"image": (name, (PHOTOS / name).read_bytes(), "image/jpeg")},
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body.keys() == {"status", "image_id", "num_detections", "processing_time_ms"}
        assert body["status"] == "success"
        assert body["processing_time_ms"] > 0
        found[name] = body["image_id"]
    return found


def check_result(result: dict[str, Any]) -> None:
    assert result.keys() == {
        "image_id",
        "filename",
        "image_url",
        "score",
        "num_detections",
        "detections",
    }
    assert result["num_detections"] == len(result["detections"])
    for detection in result["detections"]:
        assert detection.keys() == {"bbox", "class_id", "class_name", "confidence"}
        assert detection["bbox"].keys() == {"x1", "y1", "x2", "y2"}
        assert 0 <= detection["class_id"] < 80


async def test_a_picture_is_searchable_as_soon_as_the_answer_comes(http: httpx.AsyncClient, image_ids: dict[str, str]):
    results = (await http.get("/search/text", params={"q": "a cat", "k": 3})).json()
    assert isinstance(results, list)
    for result in results:
        check_result(result)
    assert results[0]["image_id"] == image_ids["chelsea.jpg"]
    assert results[0]["filename"] == "chelsea.jpg"
    assert "cat" in {detection["class_name"] for detection in results[0]["detections"]}
    assert [result["score"] for result in results] == sorted((result["score"] for result in results), reverse=True)


async def test_the_image_url_serves_the_image(http: httpx.AsyncClient, image_ids: dict[str, str]):
    [result] = (await http.get("/search/text", params={"q": "an astronaut", "k": 1})).json()
    assert result["image_id"] == image_ids["astronaut.jpg"]
    async with httpx.AsyncClient(trust_env=False) as another:
        answer = await another.get(result["image_url"])
    assert answer.content == (PHOTOS / "astronaut.jpg").read_bytes()


async def test_a_picture_is_found_by_itself(http: httpx.AsyncClient, image_ids: dict[str, str]):
    for name, image_id in image_ids.items():
        data = (PHOTOS / name).read_bytes()
        results = (await http.post("/search/similar", params={"k": 2}, files={"image": (name, data)})).json()
        check_result(results[0])
        assert results[0]["image_id"] == image_id
        assert results[0]["score"] > 0.99


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, set(NAMES)),
        ({"yolo_classes": ["person"]}, {"astronaut.jpg"}),
        ({"yolo_classes": ["person", "cat"], "min_confidence": 0.5}, {"astronaut.jpg", "chelsea.jpg"}),
        ({"yolo_classes": ["person"], "min_confidence": 1.0}, set()),
        ({"tags": ["coffee"]}, {"coffee.jpg"}),
        ({"tags": ["coffee", "chelsea"]}, {"coffee.jpg", "chelsea.jpg"}),
        ({"tags": ["photo"], "yolo_classes": ["person"]}, {"astronaut.jpg"}),
        ({"tags": ["coffee"], "yolo_classes": ["person"]}, set()),
        ({"date_from": "2000-01-01"}, set(NAMES)),
        ({"date_to": "2000-01-01"}, set()),
        ({"date_from": "2000-01-01", "date_to": "2999-01-01", "tags": ["photo"]}, set(NAMES)),
    ],
)
async def test_every_filter_holds_for_every_result(
    http: httpx.AsyncClient, image_ids: dict[str, str], filters: dict[str, Any], expected: set[str]
):
    results = (await http.post("/search/hybrid", json={"text_query": "a picture", **filters})).json()
    assert {result["filename"] for result in results} == expected
    for result in results:
        check_result(result)


async def test_the_semantic_search_finds_words_and_pictures(
    http: httpx.AsyncClient, image_ids: dict[str, str], unique_name: Callable[..., str]
):
    text = f"how to repair a bicycle tyre {unique_name()}"
    await http.post(
        "/v1/collections/default/items", params={"wait": "searchable"}, json={"id": "bicycle", "text": text}
    )
    answer = (await http.get("/search", params={"q": "mend a punctured bicycle tyre", "k": 2})).json()
    assert answer["results"][0]["id"] == "bicycle"
    assert answer["results"][0]["text"] == text
    pictures = (await http.get("/search", params={"q": "a cat", "k": 5})).json()["results"]
    assert image_ids["chelsea.jpg"] in [result["id"] for result in pictures]
    # The visual routes answer pictures only.
    visual = (await http.get("/search/text", params={"q": "bicycle tyre", "k": 100})).json()
    assert "bicycle" not in [result["image_id"] for result in visual]


async def test_the_gateway_says_who_and_how_it_is(http: httpx.AsyncClient):
    assert (await http.get("/")).json()["service"] == "sightwire"
    answer = await http.get("/health")
    assert answer.status_code == 200
    health = answer.json()
    assert {health[name] for name in ("nats", "faiss")} == {"healthy"}
    assert health["tokenizer"] == "loaded"
    assert {health[name] for name in ("triton", "opensearch", "redis")} == {"disabled"}
