"""A collection with a shadow, with everything behind it: switching between them fails no query and mixes no answer, and
a canary answers its share."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import grpc.aio
import httpx
import pytest_asyncio
from nats.aio.msg import Msg

from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.client import AsyncSightwire
from sightwire.contracts import subjects
from sightwire.contracts.collections import Canary, new_collection_uid, new_shadow_name
from sightwire.contracts.events import IngestEvent
from sightwire.contracts.migrations import CanaryObservation, Click
from sightwire.platform.running_platform import RunningPlatform
from sightwire.settings import SharedSettings
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc
from tests.plugin.waiting import wait_until

WORDS: Final = ("cat", "dog", "harbour", "lamp", "mountain", "soup", "train", "violin")
ITEMS: Final = 24
QUERY_THREADS: Final = 4
SWITCHES: Final = 8
ANSWERS_AFTER_A_SWITCH: Final = 8
#: Answered by each of the indexes, at least.
CANARY_QUERIES: Final = 8
#: Tag of the items by the index that holds them.
OWN, SHADOW = "own", "shadow"


@dataclass(frozen=True)
class Indexes:
    """A collection and its shadow, which hold the same items but for a tag."""

    registry: CollectionRegistry
    http: httpx.AsyncClient
    name: str
    shadow: str

    async def change(self, **members: Any) -> None:
        await self.registry.change(self.name, lambda record: record.model_copy(update=members))

    async def tags(self, thread: int, number: int) -> set[str]:
        """Tags of the items in an answer, which came in one of the ways that items are read."""
        path = f"/v1/collections/{self.name}"
        match number % 4:
            case 0:
                answer = await self.http.get(f"{path}/items", params={"limit": ITEMS})
                items = answer.json().get("items", [])
            case 1:
                answer = await self.http.get(f"{path}/items/item-{number % ITEMS}")
                items = [answer.json()]
            case _:
                text = f"a {WORDS[number % len(WORDS)]} {thread}"
                answer = await self.http.post(f"{path}/search", json={"query": {"text": text}, "k": ITEMS})
                items = [hit["item"] for hit in answer.json().get("hits", [])]
        assert answer.status_code == 200, answer.text
        assert self.shadow not in answer.text
        return {tag for item in items for tag in item["tags"]}


@pytest_asyncio.fixture(loop_scope="session")
async def bus(platform: RunningPlatform) -> AsyncIterator[Bus]:
    access = platform.nats
    settings = SharedSettings(nats_url=access.url, nats_user=access.user, nats_password=access.password)  # type: ignore[arg-type]
    async with Bus(settings, name="test") as connected:
        yield connected


@pytest_asyncio.fixture(loop_scope="session")
async def indexes(platform: RunningPlatform, bus: Bus, unique_name: Callable[..., str]) -> AsyncIterator[Indexes]:
    name = unique_name("switched")
    shadow = new_shadow_name(name)
    registry = CollectionRegistry(bus)
    async with httpx.AsyncClient(base_url=platform.gateway_url, timeout=60, trust_env=False) as http:
        spec = {"name": name, "fields": {"text": {"source": "text"}}}
        assert (await http.post("/v1/collections", json=spec)).status_code == 201
        record = await registry.get(name)
        shadow_spec = record.spec.model_copy(update={"name": shadow})
        await registry.create(
            record.model_copy(update={"spec": shadow_spec, "uid": new_collection_uid(), "shadow_of": name})
        )
        for index, tag in ((name, OWN), (shadow, SHADOW)):
            for number in range(ITEMS):
                event = IngestEvent(
                    id=f"item-{number}",
                    text=f"a {WORDS[number % len(WORDS)]}, number {number}",
                    tags=(tag,),
                    accepted_at=datetime.now(UTC),
                )
                await bus.publish(subjects.ingest(index), event.model_dump_json().encode(), {})
            await wait_until(partial(_is_filled, platform, index), deadline=60, describe="the index's items")
        # Only now: embedders would pass the items on to a shadow that the record names.
        yield Indexes(registry, http, name, shadow)
        await registry.delete(name)


async def _is_filled(platform: RunningPlatform, index: str) -> bool:
    (address,) = [process.address for process in platform.info().processes if process.name == "searcher"]
    async with grpc.aio.insecure_channel(str(address)) as channel:
        stub = searcher_pb2_grpc.SearcherStub(channel)
        try:
            described = await stub.DescribeCollection(searcher_pb2.DescribeCollectionRequest(collection=index))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return False
            raise
    return bool(described.items == ITEMS)


async def test_switching_fails_no_query_and_mixes_no_answer(indexes: Indexes) -> None:
    stopping = asyncio.Event()
    answered: Counter[str] = Counter()

    async def query(thread: int) -> None:
        number = thread
        while not stopping.is_set():
            tags = await indexes.tags(thread, number)
            assert len(tags) == 1, f"an answer of several indexes: {tags}"
            answered[tags.pop()] += 1
            number += 1

    def has_gone_on(tag: str, wanted: int) -> bool:
        return answered[tag] >= wanted or any(thread.done() for thread in threads)

    await indexes.change(shadows=(indexes.shadow,))
    threads = [asyncio.create_task(query(thread)) for thread in range(QUERY_THREADS)]
    try:
        for switch in range(SWITCHES):
            answering, tag = (indexes.shadow, SHADOW) if switch % 2 == 0 else (None, OWN)
            await indexes.change(answering=answering)
            wanted = answered[tag] + ANSWERS_AFTER_A_SWITCH
            await wait_until(partial(has_gone_on, tag, wanted), deadline=30)
    finally:
        stopping.set()
        await asyncio.gather(*threads)
    assert set(answered) == {OWN, SHADOW}
    described = (await indexes.http.get(f"/v1/collections/{indexes.name}")).json()
    assert (described["name"], described["items"], described["answering"]) == (indexes.name, ITEMS, None)


async def test_a_canary_answers_its_share_and_compares_both(
    platform: RunningPlatform, bus: Bus, indexes: Indexes
) -> None:
    observed: list[CanaryObservation] = []
    clicks: list[Click] = []

    async def hear(message: Msg) -> None:
        observed.append(CanaryObservation.model_validate_json(message.data))

    async def hear_click(message: Msg) -> None:
        clicks.append(Click.model_validate_json(message.data))

    heard = [
        await bus.client.subscribe(subjects.canary(indexes.name), cb=hear),
        await bus.client.subscribe(subjects.canary_click(indexes.name), cb=hear_click),
    ]
    await indexes.change(shadows=(indexes.shadow,), canary=Canary(shadow=indexes.shadow, share=0.5))
    answered: dict[str, set[str]] = {OWN: set(), SHADOW: set()}
    async with AsyncSightwire(platform.gateway_url) as client:
        while min(map(len, answered.values())) < CANARY_QUERIES:
            number = sum(map(len, answered.values()))
            assert number < CANARY_QUERIES * 20, f"the share is not kept: {answered}"
            results = await client.search(indexes.name, text=f"a {WORDS[number % len(WORDS)]} {number}")
            (tag,) = {tag for hit in results.hits for tag in hit.item["tags"]}
            answered[tag].add(results.query_id)
        await client.tell_click(indexes.name, results.query_id, results.hits[0].id, rank=1)
    await wait_until(lambda: len(observed) == len(answered[SHADOW]) and clicks)
    assert {seen.query for seen in observed} == answered[SHADOW]
    assert all(seen.answered_by_shadow and seen.shadow_error is None for seen in observed)
    # The same model made both.
    assert {seen.overlap for seen in observed} == {1.0}
    assert (clicks[0].query, clicks[0].item) == (results.query_id, results.hits[0].id)
    for subscription in heard:
        await subscription.unsubscribe()


async def test_what_is_done_to_the_index_that_answers_has_the_users_name(indexes: Indexes) -> None:
    http, path = indexes.http, f"/v1/collections/{indexes.name}"
    await indexes.change(shadows=(indexes.shadow,), answering=indexes.shadow)

    async def seen(method: str, route: str, **arguments: Any) -> Any:
        answer = await http.request(method, route, **arguments)
        assert answer.is_success, answer.text
        # But for where a report lies in the blob store.
        assert indexes.shadow not in re.sub(r'"indexes/[^"]+"', "", answer.text) + str(answer.headers)
        return answer.json()

    async def done(begun: dict[str, Any]) -> dict[str, Any]:
        async def ended() -> Any:
            operation = await seen("GET", f"{path}/operations/{begun['id']}")
            return operation if operation["state"] != "running" else None

        operation: dict[str, Any] = await wait_until(ended, deadline=60, describe=f"the end of {begun['command']}")
        assert (operation["state"], operation["collection"]) == ("succeeded", indexes.name), operation
        return operation

    async def takes_schedules() -> bool:
        # It changes hands a moment after the switch.
        answer = await http.put(f"{path}/schedules/yearly", json={"cron": "0 0 1 1 *", "command": {"kind": "scan"}})
        return answer.is_success

    async def is_switched() -> bool:
        return bool((await http.get(path)).json()["answering"] == indexes.shadow)

    await wait_until(is_switched)
    for command in ({"kind": "scan"}, {"kind": "rebuild"}, {"kind": "backup"}):
        await done(await seen("POST", f"{path}/operations", json=command))
    generations = await seen("GET", f"{path}/generations")
    assert generations["collection"] == indexes.name
    assert (await seen("GET", f"{path}/stats"))["generation"] == generations["live"]
    assert len((await seen("GET", f"{path}/operations"))["operations"]) == 3
    await wait_until(takes_schedules)
    assert len((await seen("GET", f"{path}/schedules"))["schedules"]) == 1
    await seen("GET", f"{path}/schedules/yearly/calendar")
    (backup,) = (await seen("GET", "/v1/backups", params={"collection": indexes.name}))["backups"]
    await done(await seen("POST", f"/v1/backups/{backup['id']}/restore", json={}))
    assert await indexes.tags(0, 0) == {SHADOW}
    diagnosis = await seen("GET", "/v1/diagnosis")
    (own,) = [entry for entry in diagnosis["collections"] if entry["collection"] == indexes.name]
    assert [finding for finding in own["findings"] if finding["status"] == "problem"] == []
