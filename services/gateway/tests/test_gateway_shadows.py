"""Collections with shadows: users see one collection, whichever of its indexes answers."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import orjson
import pytest

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.http_gateway import SPACE, RunningGateway, run_gateway
from services.gateway.tests.shadowed import SHADOW_SPACE, ShadowedCollection, make_shadowed
from services.gateway.tests.test_gateway_operations import answering, operation
from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.collections import Canary
from sightwire.contracts.control import Diagnosis, Finding
from sightwire.contracts.events import IngestEvent
from sightwire.contracts.operations import OperationState
from sightwire.contracts.schedules import Outcome, ScheduledRun, ScheduleRecord
from sightwire.contracts.streams import OPERATIONS, SCHEDULES
from sightwire.errors import ConflictError, InvalidFilterError, UnknownCollectionError
from tests.plugin.waiting import Eventually, wait_until

PICTURE = b'{"id":"cat","tags":[],"metadata":{},"image":{"sha256":"%s","media_type":"image/png","filename":""}}' % (
    b"a" * 64
)


@pytest.fixture
async def shadowed(running: RunningGateway, bus: Bus, unique_name: Callable[..., str]) -> ShadowedCollection:
    return await make_shadowed(running, bus, unique_name("photos"))


@pytest.fixture
async def promoted(shadowed: ShadowedCollection) -> ShadowedCollection:
    """The shadow answers."""
    await shadowed.change(answering=shadowed.shadow)
    return shadowed


def assert_users_name_only(shadowed: ShadowedCollection, answer: httpx.Response) -> Any:
    """The answer, which speaks of the collection as users do."""
    assert answer.is_success, answer.text
    assert shadowed.shadow not in answer.text + str(answer.headers)
    assert shadowed.name in answer.text
    return answer.json()


async def test_shadows_are_no_collections_for_users(shadowed: ShadowedCollection) -> None:
    http, hidden = shadowed.running.http, f"/v1/collections/{shadowed.shadow}"
    listed = (await http.get("/v1/collections")).json()["collections"]
    assert shadowed.name in [entry["name"] for entry in listed]
    assert shadowed.shadow not in [entry["name"] for entry in listed]
    tries = [
        await http.get(hidden),
        await http.delete(hidden),
        await http.get(f"{hidden}/items"),
        await http.get(f"{hidden}/items/a"),
        await http.get(f"{hidden}/stats"),
        await http.get(f"{hidden}/operations"),
        await http.post(f"{hidden}/operations", json={"kind": "scan"}),
        await http.post(f"{hidden}/search", json={"query": {"text": "x"}}),
        await http.post(f"{hidden}/items", json={"text": "x"}),
        await http.post(f"{hidden}/clicks", json={"query_id": "x", "item": "a", "rank": 1}),
        await http.get("/search", params={"q": "x", "collection": shadowed.shadow}),
        await http.get("/search/text", params={"q": "x", "collection": shadowed.shadow}),
    ]
    assert [answer.status_code for answer in tries] == [404] * len(tries)
    assert {answer.json()["type"] for answer in tries} == {"urn:sightwire:problem:unknown-collection"}
    unknown = (await http.get("/v1/collections/no-such")).json()["detail"]
    assert shadowed.shadow not in unknown
    assert await shadowed.registry.get(shadowed.shadow)


async def test_names_with_two_hyphens_in_a_row_are_refused(running: RunningGateway) -> None:
    answer = await running.http.post("/v1/collections", json={"name": "my--photos"})
    assert answer.status_code == 422
    assert "two hyphens in a row" in answer.json()["detail"]


async def test_the_index_that_answers_is_described(shadowed: ShadowedCollection) -> None:
    http = shadowed.running.http
    before = assert_users_name_only_but_for_shadows(shadowed, await http.get(shadowed.path))
    assert (before["space"], before["answering"], before["canary"]) == (SPACE, None, None)
    canary = Canary(shadow=shadowed.shadow, share=0.1)
    await shadowed.change(answering=shadowed.shadow, canary=canary)
    after = assert_users_name_only_but_for_shadows(shadowed, await http.get(shadowed.path))
    assert (after["space"], after["class_names"], after["uid"]) == (SHADOW_SPACE, ["dog"], before["uid"])
    assert (after["answering"], after["canary"]) == (shadowed.shadow, {"shadow": shadowed.shadow, "share": 0.1})
    plain = await shadowed.running.make_collection(f"{shadowed.name}-plain")
    assert "shadows" not in (await http.get(f"/v1/collections/{plain}")).json()


def assert_users_name_only_but_for_shadows(shadowed: ShadowedCollection, answer: httpx.Response) -> Any:
    described = answer.json()
    assert (described["name"], described["shadows"]) == (shadowed.name, [shadowed.shadow])
    return described


async def test_a_collection_is_deleted_with_its_shadows(shadowed: ShadowedCollection) -> None:
    assert (await shadowed.running.http.delete(shadowed.path)).status_code == 204
    with pytest.raises(UnknownCollectionError):
        await shadowed.registry.get(shadowed.shadow)


async def test_queries_are_embedded_in_the_space_of_the_index_that_answers(shadowed: ShadowedCollection) -> None:
    first = await shadowed.search()
    await shadowed.change(answering=shadowed.shadow)
    second = await shadowed.search()
    await shadowed.change(answering=None)
    third = await shadowed.search()
    assert shadowed.asked() == [(shadowed.name, SPACE), (shadowed.shadow, SHADOW_SPACE), (shadowed.name, SPACE)]
    assert [hit["id"] for hit in second["hits"]] == [f"best-of-{shadowed.shadow}", f"good-of-{shadowed.shadow}"]
    assert [hit["id"] for hit in first["hits"]] == [hit["id"] for hit in third["hits"]]


async def test_a_switch_under_load_fails_no_query_and_mixes_no_answer(
    running: RunningGateway, gateway_settings: SettingsFactory, bus: Bus, unique_name: Callable[..., str]
) -> None:
    """Two gateways, each of which switches when it sees the change."""
    shadowed = await make_shadowed(running, bus, unique_name("photos"))
    async with run_gateway(gateway_settings) as other:
        await wait_until(lambda: other.gateway.collections.find(shadowed.name) == shadowed.record)
        other.searcher.hits_of = running.searcher.hits_of
        stopping = asyncio.Event()
        answered: dict[str, int] = {shadowed.name: 0, shadowed.shadow: 0}

        async def query(gateway: RunningGateway, thread: int) -> None:
            number = 0
            while not stopping.is_set():
                number += 1
                request = {"query": {"text": f"text {thread} {number % 7}"}}
                answer = await gateway.http.post(f"{shadowed.path}/search", json=request)
                assert answer.status_code == 200, answer.text
                indexes = {hit["id"].partition("-of-")[2] for hit in answer.json()["hits"]}
                assert len(indexes) == 1, f"an answer of several indexes: {indexes}"
                answered[indexes.pop()] += 1

        def has_gone_on(name: str, wanted: int) -> bool:
            return answered[name] > wanted or any(thread.done() for thread in threads)

        threads = [asyncio.create_task(query((running, other)[thread % 2], thread)) for thread in range(4)]
        try:
            for index in (shadowed.shadow, None) * 5:
                await shadowed.change(answering=index)
                name = index or shadowed.name
                await wait_until(partial(has_gone_on, name, answered[name] + 4))
        finally:
            stopping.set()
            await asyncio.gather(*threads)
        spaces = {shadowed.name: SPACE, shadowed.shadow: SHADOW_SPACE}
        asked = [(search.collection, search.queries[0].space) for search in other.searcher.searches]
        assert all(spaces[name] == space for name, space in [*shadowed.asked(), *asked])
        assert {name for name, _ in asked} == set(spaces)


async def test_pages_stay_with_the_index_that_they_began_with(shadowed: ShadowedCollection) -> None:
    running = shadowed.running
    running.searcher.more = True
    first = await shadowed.search(k=2)
    await shadowed.change(answering=shadowed.shadow)
    second = await shadowed.search(k=2, cursor=first["next_cursor"])
    fresh = await shadowed.search(k=2)
    assert shadowed.asked() == [(shadowed.name, SPACE), (shadowed.name, SPACE), (shadowed.shadow, SHADOW_SPACE)]
    assert running.searcher.searches[-2].offset == 2
    await shadowed.change(has_index=False)
    gone = {"query": {"text": "a cat"}, "k": 2, "cursor": second["next_cursor"]}
    answer = await running.http.post(f"{shadowed.path}/search", json=gone)
    assert answer.status_code == 409
    assert "repeat the query without the cursor" in answer.json()["detail"]
    assert (await shadowed.search(k=2, cursor=fresh["next_cursor"]))["hits"]
    running.searcher.more = False


async def test_items_and_statistics_are_those_of_the_index_that_answers(promoted: ShadowedCollection) -> None:
    running = promoted.running
    running.searcher.items["cat"] = PICTURE
    running.searcher.failures_of[promoted.name] = ConflictError("the wrong index was asked")
    item = assert_users_name_only(promoted, await running.http.get(f"{promoted.path}/items/cat"))
    assert item["image_url"].startswith(f"{running.url}{promoted.path}/items/cat/image")
    stats = assert_users_name_only(promoted, await running.http.get(f"{promoted.path}/stats"))
    assert (stats["collection"], stats["items"]) == (promoted.name, 3)
    running.searcher.hits_of[promoted.shadow][0].document = PICTURE
    hits = (await promoted.search())["hits"]
    assert hits[0]["item"]["image_url"].startswith(f"{running.url}{promoted.path}/items/")


async def test_items_are_put_under_the_users_name(
    promoted: ShadowedCollection, bus: Bus, eventually: Eventually
) -> None:
    heard: list[IngestEvent] = []

    async def hear(message: Any) -> None:
        heard.append(IngestEvent.model_validate_json(message.data))

    subscription = await bus.client.subscribe(subjects.ingest(promoted.name), cb=hear)
    await bus.client.flush()
    answer = await promoted.running.http.post(f"{promoted.path}/items", json={"id": "a", "text": "x"})
    assert answer.status_code == 202
    assert answer.json()["collection"] == promoted.name
    await eventually(lambda: [event.id for event in heard] == ["a"])
    await subscription.unsubscribe()
    status = await promoted.running.http.get(f"{promoted.path}/items/a/status")
    assert status.json()["collection"] == promoted.name


@pytest.mark.parametrize("failure", [UnknownCollectionError, ConflictError, InvalidFilterError])
async def test_errors_speak_of_the_users_collection(promoted: ShadowedCollection, failure: Any) -> None:
    http = promoted.running.http
    promoted.running.searcher.failures_of[promoted.shadow] = failure(f"collection '{promoted.shadow}' says no")
    answers = [
        await http.post(f"{promoted.path}/search", json={"query": {"text": "x"}}),
        await http.get(f"{promoted.path}/items/a"),
        await http.post(f"{promoted.path}/search", json={"query": {"text": "x"}, "fields": ["nothing"]}),
        await http.get(f"{promoted.path}/generations"),
    ]
    for answer in answers:
        assert not answer.is_success
        assert promoted.shadow not in answer.text
        assert promoted.name in answer.json()["detail"]


async def test_owners_of_the_answering_index_are_asked(promoted: ShadowedCollection, bus: Bus) -> None:
    http, shadow = promoted.running.http, promoted.shadow
    uid = (await promoted.registry.get(shadow)).uid
    started = operation(shadow, uid, error=f"reading '{shadow}' failed").model_dump(mode="json")
    found = Diagnosis(collection=shadow, findings=(Finding(check="disk", status="ok", detail=f"of {shadow}"),))
    answers: dict[str, Any] = {
        "start": started,
        "cancel": started,
        "generations": {"collection": shadow, "live": "g1", "generations": []},
        "diagnose": found.model_dump(mode="json"),
    }
    async with answering(bus, subjects.control_index(shadow), lambda request: answers[request.ask]):
        answer = await http.post(f"{promoted.path}/operations", json={"kind": "scan"})
        assert answer.headers["location"] == f"{promoted.path}/operations/op1"
        assert_users_name_only(promoted, answer)
        assert_users_name_only(promoted, await http.get(f"{promoted.path}/generations"))
        diagnosis = (await http.get("/v1/diagnosis")).json()
    (own,) = [entry for entry in diagnosis["collections"] if entry["collection"] == promoted.name]
    assert f"of {promoted.name}" in [finding["detail"] for finding in own["findings"]]
    assert shadow not in orjson.dumps(diagnosis).decode()


async def test_schedules_are_the_collections(promoted: ShadowedCollection, bus: Bus) -> None:
    http, path = promoted.running.http, f"{promoted.path}/schedules"
    record = schedule_record(promoted.name, promoted.record.uid)
    run = ScheduledRun(due_at=record.created_at, outcome=Outcome.FAILED, reason=f"'{promoted.shadow}' is busy")
    record = record.model_copy(update={"runs": (run,)})
    schedule = record.model_dump(mode="json")
    answers: dict[str, Any] = {
        "calendar": {"schedule": schedule, "upcoming": []},
        "put_schedule": schedule,
        "schedule": schedule,
    }
    spec = {"cron": "30 3 * * 1", "command": {"kind": "backup"}}
    async with answering(bus, subjects.control_index(promoted.name), lambda request: answers[request.ask]):
        assert_users_name_only(promoted, await http.put(f"{path}/nightly", json=spec))
        assert_users_name_only(promoted, await http.post(f"{path}/nightly/run"))
        assert_users_name_only(promoted, await http.get(f"{path}/nightly/calendar"))
    bucket = await bus.bucket(SCHEDULES)
    await bucket.put(subjects.schedule_key(promoted.name, "nightly"), record.model_dump_json().encode())
    assert len(assert_users_name_only(promoted, await http.get(path))["schedules"]) == 1
    assert_users_name_only(promoted, await http.get(f"{path}/nightly"))


async def test_operations_are_read_under_the_users_name(shadowed: ShadowedCollection, bus: Bus) -> None:
    http, shadow = shadowed.running.http, shadowed.shadow
    shadow_uid = (await shadowed.registry.get(shadow)).uid
    operations = await bus.bucket(OPERATIONS)
    for record in (
        operation(shadowed.name, shadowed.record.uid, id="before", state=OperationState.SUCCEEDED),
        operation(shadow, shadow_uid, id="after", state=OperationState.SUCCEEDED),
    ):
        key = subjects.operation_key(record.collection, record.id)
        await operations.put(key, record.model_dump_json().encode())
    await shadowed.change(answering=shadow)
    listed = assert_users_name_only(shadowed, await http.get(f"{shadowed.path}/operations"))
    assert [entry["id"] for entry in listed["operations"]] == ["after"]
    # What was begun before the other index answered can still be looked up.
    for id_ in ("before", "after"):
        assert assert_users_name_only(shadowed, await http.get(f"{shadowed.path}/operations/{id_}"))["id"] == id_
    followed = await http.get(f"{shadowed.path}/operations/after/events")
    assert shadowed.name in followed.text
    assert shadow not in followed.text


async def test_backups_are_restored_into_the_index_that_answers(promoted: ShadowedCollection, bus: Bus) -> None:
    http = promoted.running.http
    prepared: list[str | None] = []

    def prepare(request: Any) -> Any:
        prepared.append(request.into)
        return promoted.record.model_dump(mode="json")

    index = await promoted.registry.get(promoted.shadow)
    started = operation(promoted.shadow, index.uid, command={"kind": "restore", "backup": "b3"})
    owner = subjects.control_index(promoted.shadow)
    async with (
        answering(bus, subjects.CONTROL_INDEXERS, prepare),
        answering(bus, owner, lambda _: started.model_dump(mode="json")) as asked,
    ):
        for body in ({}, {"into": promoted.name}):
            restored = await http.post("/v1/backups/b3/restore", json=body)
            assert restored.headers["location"] == f"{promoted.path}/operations/op1"
            assert_users_name_only(promoted, restored)
        assert [request.command.kind for request in asked] == ["restore"] * 2
        for hidden in (promoted.shadow, "my--photos"):
            refused = await http.post("/v1/backups/b3/restore", json={"into": hidden})
            assert refused.status_code == 422
    assert prepared == [None, promoted.name]


def schedule_record(collection: str, uid: str) -> ScheduleRecord:
    return ScheduleRecord.model_validate(
        {
            "name": "nightly",
            "collection": collection,
            "collection_uid": uid,
            "spec": {"cron": "30 3 * * 1", "command": {"kind": "backup"}},
            "created_at": "2026-01-01T00:00:00Z",
        }
    )
