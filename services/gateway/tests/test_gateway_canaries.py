"""Canaries: a share of the queries is answered by a shadow, compared, and never worse off for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.http_gateway import SPACE, RunningGateway, run_gateway
from services.gateway.tests.shadowed import SHADOW_SPACE, ShadowedCollection, hit, make_shadowed
from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.collections import Canary
from sightwire.contracts.migrations import CanaryObservation, Click
from sightwire.errors import UnavailableError
from tests.plugin.waiting import Eventually

SHADOW_SECONDS = 0.3
MAX_IN_FLIGHT = 3


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(gateway_settings: SettingsFactory) -> AsyncIterator[RunningGateway]:
    limits: dict[str, Any] = {"gateway_canary_seconds": SHADOW_SECONDS, "gateway_canary_queries": MAX_IN_FLIGHT}
    async with run_gateway(gateway_settings, **limits) as gateway:
        yield gateway


@pytest.fixture
async def shadowed(running: RunningGateway, bus: Bus, unique_name: Callable[..., str]) -> ShadowedCollection:
    """Every query is of the share."""
    made = await make_shadowed(running, bus, unique_name("photos"), fields=FIELDS)
    await made.change(canary=Canary(shadow=made.shadow, share=1.0))
    return made


FIELDS = {"image": {"source": "image"}, "text": {"source": "text"}, "own": {"dimension": 2}}


@pytest_asyncio.fixture
async def observed(shadowed: ShadowedCollection, bus: Bus) -> AsyncIterator[list[CanaryObservation | Click]]:
    """What the gateway tells of the collection's queries."""
    heard: list[CanaryObservation | Click] = []

    async def hear(message: Any) -> None:
        is_click = message.subject == subjects.canary_click(shadowed.name)
        heard.append((Click if is_click else CanaryObservation).model_validate_json(message.data))

    subscriptions = [
        await bus.client.subscribe(subject, cb=hear)
        for subject in (subjects.canary(shadowed.name), subjects.canary_click(shadowed.name))
    ]
    await bus.client.flush()
    yield heard
    for subscription in subscriptions:
        await subscription.unsubscribe()


async def test_the_shadow_answers_and_both_are_compared(
    shadowed: ShadowedCollection, observed: list[Any], eventually: Eventually
) -> None:
    searcher = shadowed.running.searcher
    searcher.hits_of[shadowed.name] = [hit(item) for item in "abcd"]
    searcher.hits_of[shadowed.shadow] = [hit(item) for item in "abxy"]
    found = await shadowed.search()
    assert [entry["id"] for entry in found["hits"]] == list("abxy")
    assert found["query_id"].endswith("-s")
    await eventually(lambda: len(observed) == 1)
    (seen,) = observed
    assert (seen.collection, seen.shadow, seen.query) == (shadowed.name, shadowed.shadow, found["query_id"])
    assert (seen.answered_by_shadow, seen.overlap, seen.shadow_error) == (True, 0.5, None)
    assert 0 < seen.seconds < 5
    assert 0 < seen.shadow_seconds < 5
    assert sorted(shadowed.asked()) == sorted([(shadowed.name, SPACE), (shadowed.shadow, SHADOW_SPACE)])


async def test_no_cache_makes_one_of_both_faster(shadowed: ShadowedCollection) -> None:
    await shadowed.change(canary=None)
    query = {"text": f"asked before in {shadowed.name}"}
    await shadowed.search(query=query)
    await shadowed.change(canary=Canary(shadow=shadowed.shadow, share=1.0))
    await shadowed.search(query=query)
    assert shadowed.running.embedder.texts.count(query["text"]) == 3


async def test_the_share_is_that_of_the_record(shadowed: ShadowedCollection) -> None:
    await shadowed.change(canary=Canary(shadow=shadowed.shadow, share=0.3))
    found = [await shadowed.search(query={"text": f"text {number}"}) for number in range(120)]
    of_shadow = sum(answer["query_id"].endswith("-s") for answer in found)
    assert 12 <= of_shadow <= 64
    for answer in found:
        index = shadowed.shadow if answer["query_id"].endswith("-s") else shadowed.name
        assert answer["hits"][0]["id"].endswith(f"-of-{index}")


async def test_the_caller_gets_the_other_answer_when_the_shadow_fails(
    shadowed: ShadowedCollection, observed: list[Any], eventually: Eventually
) -> None:
    shadowed.running.searcher.failures_of[shadowed.shadow] = UnavailableError("it is broken")
    # By its deadline or by its error: gRPC goes on trying while a service is unavailable.
    found = await shadowed.search()
    assert found["hits"][0]["id"] == f"best-of-{shadowed.name}"
    assert found["query_id"].endswith("-i")
    await eventually(lambda: len(observed) == 1)
    assert observed[0].answered_by_shadow is False
    assert observed[0].overlap == 0.0
    assert observed[0].shadow_error
    assert observed[0].query == found["query_id"]


async def test_a_slow_shadow_delays_a_query_by_its_own_deadline_only(
    shadowed: ShadowedCollection, observed: list[Any], eventually: Eventually
) -> None:
    shadowed.running.searcher.delays_of[shadowed.shadow] = asyncio.Event()
    found = await shadowed.search()
    assert found["hits"][0]["id"] == f"best-of-{shadowed.name}"
    assert found["took_ms"] < 5000
    await eventually(lambda: len(observed) == 1)
    assert "in time" in observed[0].shadow_error
    assert observed[0].shadow_seconds >= SHADOW_SECONDS * 0.9
    assert observed[0].seconds < SHADOW_SECONDS


async def test_a_slow_index_delays_no_answer_of_the_shadow(
    shadowed: ShadowedCollection, observed: list[Any], eventually: Eventually
) -> None:
    released = shadowed.running.searcher.delays_of[shadowed.name] = asyncio.Event()
    found = await shadowed.search()
    assert found["hits"][0]["id"] == f"best-of-{shadowed.shadow}"
    assert not observed
    released.set()
    await eventually(lambda: len(observed) == 1)


async def test_queries_beyond_the_limit_take_no_part(shadowed: ShadowedCollection, eventually: Eventually) -> None:
    released = shadowed.running.searcher.delays_of[shadowed.name] = asyncio.Event()
    taking_part = [await shadowed.search(query={"text": f"{number}"}) for number in range(MAX_IN_FLIGHT)]
    assert all(answer["query_id"].endswith("-s") for answer in taking_part)
    further = asyncio.create_task(shadowed.search(query={"text": "one more"}))
    await eventually(lambda: shadowed.asked().count((shadowed.name, SPACE)) == MAX_IN_FLIGHT + 1)
    released.set()
    assert (await further)["hits"][0]["id"] == f"best-of-{shadowed.name}"
    assert shadowed.asked().count((shadowed.shadow, SHADOW_SPACE)) == MAX_IN_FLIGHT


@pytest.mark.parametrize(
    "request_",
    [
        {"query": {"vector": {"field": "own", "values": [1, 2]}}},
        {"query": {"item": "a"}},
        {"query": {}, "full_text": {"query": "cat"}},
        {"query": {}, "facets": ["_tags"]},
    ],
)
async def test_only_what_the_platform_embeds_takes_part(shadowed: ShadowedCollection, request_: dict[str, Any]) -> None:
    found = await shadowed.search(**request_)
    assert found["query_id"].endswith("-i")
    assert {name for name, _ in shadowed.asked()} == {shadowed.name}


async def test_pages_stay_with_the_shadow(shadowed: ShadowedCollection, eventually: Eventually) -> None:
    searcher = shadowed.running.searcher
    searcher.more = True
    first = await shadowed.search(k=2)
    await shadowed.change(canary=None)
    second = await shadowed.search(k=2, cursor=first["next_cursor"])
    searcher.more = False
    assert second["hits"][0]["id"] == f"best-of-{shadowed.shadow}"
    assert searcher.searches[-1].offset == 2
    await shadowed.change(shadows=())
    answer = await shadowed.running.http.post(
        f"{shadowed.path}/search", json={"query": {"text": "a cat"}, "k": 2, "cursor": first["next_cursor"]}
    )
    assert answer.status_code == 409


async def test_every_search_route_tells_the_querys_id(shadowed: ShadowedCollection) -> None:
    http = shadowed.running.http
    for path in ("/search", "/search/text"):
        answer = await http.get(path, params={"q": "a cat", "collection": shadowed.name})
        assert answer.headers["x-query-id"].endswith("-s")
    answer = await http.post(f"{shadowed.path}/search", json={"query": {"text": "a cat"}})
    assert answer.headers["x-query-id"] == answer.json()["query_id"]


async def test_clicks_are_told(shadowed: ShadowedCollection, observed: list[Any], eventually: Eventually) -> None:
    http = shadowed.running.http
    found = await shadowed.search()
    item = found["hits"][0]["id"]
    click = {"query_id": found["query_id"], "item": item, "rank": 1}
    assert (await http.post(f"{shadowed.path}/clicks", json=click)).status_code == 204
    await eventually(lambda: any(isinstance(heard, Click) for heard in observed))
    (heard,) = [heard for heard in observed if isinstance(heard, Click)]
    assert (heard.collection, heard.query, heard.item, heard.rank) == (shadowed.name, found["query_id"], item, 1)
    assert heard.answered_by_shadow
    for wrong in ({"query_id": "x"}, {"rank": 0}, {"item": ""}, {"more": 1}):
        assert (await http.post(f"{shadowed.path}/clicks", json={**click, **wrong})).status_code == 422
    assert (await http.post("/v1/collections/no-such/clicks", json=click)).status_code == 404


async def test_canaries_are_counted_by_the_users_name(shadowed: ShadowedCollection) -> None:
    await shadowed.search()
    metrics = (await shadowed.running.http.get("/metrics")).text
    counted = f'sightwire_gateway_canary_queries_total{{collection="{shadowed.name}",outcome="shadow"}} 1.0'
    assert counted in metrics
    assert shadowed.shadow not in metrics
