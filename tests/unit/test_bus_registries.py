"""The key-value registries on a real server: statuses, collections, leases, searchers."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import nats
import pytest
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.errors import NotFoundError as MessageNotFoundError

from sightwire.bus.collections import CollectionDirectory, CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.item_status import ItemStatusStore
from sightwire.bus.leases import LeaseKeeper
from sightwire.bus.searchers import SearcherDirectory, announce_searcher, withdraw_searcher
from sightwire.bus.topology import ensure_topology, stream_configuration
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import ItemState, ItemStatus, SearcherAnnouncement
from sightwire.contracts.streams import (
    BUCKETS,
    COLLECTIONS,
    EMBEDDED,
    INGEST,
    REEMBED,
    SEARCHERS,
    STREAMS,
    TASKS,
    StreamDefinition,
)
from sightwire.errors import ConflictError, InvalidInputError, UnknownCollectionError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.bus import shared_settings
from tests.plugin.waiting import Eventually

NewName = Callable[..., str]


def record(name: str, uid: str = "u1", **members: object) -> CollectionRecord:
    return CollectionRecord.model_validate(
        {
            "spec": {"name": name, "fields": {"v": {"dimension": 4}}},
            "uid": uid,
            "created_at": datetime.now(UTC),
            **members,
        }
    )


def with_shadow(shadow: str) -> Callable[[CollectionRecord], CollectionRecord]:
    return lambda record: record.model_copy(update={"shadows": (*record.shadows, shadow)})


async def last_payload(bus: Bus, stream: StreamDefinition, subject: str) -> bytes | None:
    try:
        return (await bus.jetstream.get_last_msg(stream.name, subject)).data
    except MessageNotFoundError:
        return None


async def test_topology_can_be_ensured_again_and_again(bus: Bus) -> None:
    await ensure_topology(bus.client, replicas=1)
    names = {info.config.name for info in await bus.jetstream.streams_info()}
    assert names == {stream.name for stream in STREAMS} | {f"KV_{bucket.name}" for bucket in BUCKETS}


async def test_nothing_is_changed_when_all_is_there(bus: Bus) -> None:
    asked = await bus.client.subscribe("$JS.EVENT.ADVISORY.API")
    await ensure_topology(bus.client, replicas=1)
    advisory = json.loads((await asked.next_msg(timeout=5)).data)
    assert advisory["subject"] == "$JS.API.STREAM.LIST"
    with pytest.raises(NatsTimeoutError):
        await asked.next_msg(timeout=0.2)
    await asked.unsubscribe()


async def test_topology_adapts_a_stream_whose_definition_changed(bus: Bus) -> None:
    name = EMBEDDED.name
    configuration = json.loads((await bus.client.request(f"$JS.API.STREAM.INFO.{name}")).data)["config"]
    configuration["max_age"] = 60_000_000_000
    configuration["duplicate_window"] = 60_000_000_000
    await bus.client.request(f"$JS.API.STREAM.UPDATE.{name}", json.dumps(configuration).encode())
    await ensure_topology(bus.client, replicas=1)
    info = await bus.jetstream.stream_info(name)
    assert info.config.max_age == EMBEDDED.max_age


async def test_a_stream_of_another_version_keeps_how_it_flushes(fresh_nats_server: NatsServer) -> None:
    client = await nats.connect(fresh_nats_server.access.url_with_credentials)
    older = {**stream_configuration(TASKS, replicas=1), "description": "older"}
    assert older.pop("persist_mode") == "async"
    await client.request(f"$JS.API.STREAM.CREATE.{TASKS.name}", json.dumps(older).encode())
    await ensure_topology(client, replicas=1)
    present = json.loads((await client.request(f"$JS.API.STREAM.INFO.{TASKS.name}")).data)["config"]
    assert present["description"] == TASKS.description
    assert present.get("persist_mode") != "async"
    await client.close()


async def test_an_item_that_nobody_saw_has_no_status(bus: Bus, unique_name: NewName) -> None:
    assert await ItemStatusStore(bus).get(unique_name(), "a") is None


@pytest.mark.parametrize("item_id", ["a", "folder/picture 1.jpg", "ключ.with*dots>", "x=41"])
async def test_following_an_item_sees_its_present_status_and_each_change(
    bus: Bus, unique_name: NewName, item_id: str
) -> None:
    statuses, collection = ItemStatusStore(bus), unique_name()
    await statuses.send(ItemStatus(collection=collection, id=item_id, state=ItemState.ACCEPTED))
    async with asyncio.timeout(5), statuses.follow(collection, item_id) as updates:
        assert (await anext(updates)).state is ItemState.ACCEPTED
        await statuses.send(ItemStatus(collection=collection, id=item_id, state=ItemState.EMBEDDED, version=7))
        await statuses.send(ItemStatus(collection=collection, id=item_id, state=ItemState.SEARCHABLE, version=7))
        states = [(await anext(updates)).state for _ in range(2)]
    assert states == [ItemState.EMBEDDED, ItemState.SEARCHABLE]
    last = await statuses.get(collection, item_id)
    assert last is not None
    assert (last.id, last.version, last.is_final) == (item_id, 7, True)


async def test_following_finds_a_status_whose_message_was_not_delivered(
    bus: Bus, unique_name: NewName, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses, collection, subscribe = ItemStatusStore(bus), unique_name(), bus.client.subscribe
    monkeypatch.setattr(bus.client, "subscribe", lambda _subject, cb: subscribe("nothing.comes.here", cb=cb))
    await statuses.send(ItemStatus(collection=collection, id="a", state=ItemState.ACCEPTED))
    async with asyncio.timeout(5), statuses.follow(collection, "a") as updates:
        assert (await anext(updates)).state is ItemState.ACCEPTED
        await statuses.send(ItemStatus(collection=collection, id="a", state=ItemState.SEARCHABLE, version=7))
        assert (await anext(updates)).state is ItemState.SEARCHABLE


async def test_a_collection_name_can_be_taken_once(bus: Bus, unique_name: NewName) -> None:
    registry, name = CollectionRegistry(bus), unique_name()
    await registry.create(record(name))
    with pytest.raises(ConflictError, match="exists already"):
        await registry.create(record(name, uid="u2"))
    assert (await registry.get(name)).uid == "u1"
    await registry.delete(name)
    with pytest.raises(UnknownCollectionError):
        await registry.get(name)
    await registry.create(record(name, uid="u3"))
    assert (await registry.get(name)).uid == "u3"


async def test_waiting_events_go_with_their_collection(bus: Bus, unique_name: NewName) -> None:
    registry, deleted, kept = CollectionRegistry(bus), unique_name("deleted"), unique_name("kept")
    await registry.create(record(deleted))
    for name in (deleted, kept):
        await bus.publish(subjects.ingest(name), b"{}", {})
    await registry.delete(deleted)
    assert await last_payload(bus, INGEST, subjects.ingest(deleted)) is None
    assert await last_payload(bus, INGEST, subjects.ingest(kept)) == b"{}"


async def test_changes_of_a_collection_at_the_same_time_are_all_kept(bus: Bus, unique_name: NewName) -> None:
    registry, name = CollectionRegistry(bus), unique_name()
    await registry.create(record(name))
    wanted = [f"{name}--{number}" for number in range(8)]
    await asyncio.gather(*(registry.change(name, with_shadow(shadow)) for shadow in wanted))
    assert sorted((await registry.get(name)).shadows) == wanted


async def test_a_change_that_changes_nothing_writes_nothing(bus: Bus, unique_name: NewName) -> None:
    registry, name = CollectionRegistry(bus), unique_name()
    await registry.create(record(name))
    before = (await (await bus.bucket(COLLECTIONS)).get(name)).revision
    assert await registry.change(name, lambda present: present.model_copy()) == await registry.get(name)
    assert (await (await bus.bucket(COLLECTIONS)).get(name)).revision == before


async def test_a_change_that_cannot_be_made_is_refused(bus: Bus, unique_name: NewName) -> None:
    registry, name = CollectionRegistry(bus), unique_name()
    with pytest.raises(UnknownCollectionError):
        await registry.change(name, lambda present: present)
    await registry.create(record(name))

    def refuse(_present: CollectionRecord) -> CollectionRecord:
        raise InvalidInputError("no")

    with pytest.raises(InvalidInputError, match="no"):
        await registry.change(name, refuse)


async def test_a_change_gives_up_when_others_are_always_faster(
    bus: Bus, unique_name: NewName, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, name = CollectionRegistry(bus), unique_name()
    await registry.create(record(name))
    bucket = await bus.bucket(COLLECTIONS)
    update = bucket.update

    async def update_too_late(key: str, value: bytes, last: int | None = None) -> int:
        await bucket.put(key, record(name).model_dump_json().encode())
        return await update(key, value, last)

    monkeypatch.setattr(bucket, "update", update_too_late)
    with pytest.raises(ConflictError, match="by others"):
        await registry.change(name, with_shadow("never"))
    assert (await registry.get(name)).shadows == ()


async def test_shadows_go_with_their_collection_and_not_the_other_way_round(bus: Bus, unique_name: NewName) -> None:
    registry, name = CollectionRegistry(bus), unique_name()
    named, unnamed = f"{name}--a", f"{name}--b"
    await registry.create(record(name, shadows=(named,)))
    for shadow in (named, unnamed):
        await registry.create(record(shadow, shadow_of=name))
    await bus.publish(subjects.ingest(name), b"{}", {})
    for copy in (name, named, unnamed):
        await bus.publish(subjects.reembed(copy), b"x", {})

    await registry.delete(unnamed)
    assert await last_payload(bus, INGEST, subjects.ingest(name)) == b"{}"
    waiting = {copy: await last_payload(bus, REEMBED, subjects.reembed(copy)) for copy in (name, named, unnamed)}
    assert waiting == {name: b"x", named: b"x", unnamed: None}

    await registry.create(record(unnamed, shadow_of=name))
    await registry.delete(name)
    for copy in (name, named, unnamed):
        with pytest.raises(UnknownCollectionError):
            await registry.get(copy)
        assert await last_payload(bus, REEMBED, subjects.reembed(copy)) is None


async def test_a_shadow_that_goes_leaves_the_record_of_its_collection(bus: Bus, unique_name: NewName) -> None:
    registry, name = CollectionRegistry(bus), unique_name()
    shadow, other = f"{name}--a", f"{name}--b"
    canary = {"shadow": shadow, "share": 0.1}
    await registry.create(record(name, shadows=(shadow, other), answering=shadow, canary=canary))
    await registry.create(record(shadow, shadow_of=name))
    with pytest.raises(ConflictError, match="answers for"):
        await registry.delete(shadow)
    await registry.change(name, lambda present: present.model_copy(update={"answering": None}))
    await registry.delete(shadow)
    left = await registry.get(name)
    assert (left.shadows, left.canary) == ((other,), None)


async def test_the_directory_knows_present_collections_and_follows_changes(
    bus: Bus, unique_name: NewName, eventually: Eventually
) -> None:
    registry, before, later = CollectionRegistry(bus), unique_name("before"), unique_name("later")
    await registry.create(record(before))
    seen: list[tuple[str, bool]] = []

    async def listen(name: str, present: CollectionRecord | None) -> None:
        seen.append((name, present is not None))

    directory = CollectionDirectory(bus)
    directory.add_listener(listen)
    async with directory:
        assert directory.get(before).uid == "u1"
        assert directory.find(later) is None
        await registry.create(record(later))
        await eventually(lambda: directory.find(later))
        await registry.delete(before)
        await eventually(lambda: directory.find(before) is None)
    assert [change for change in seen if change[0] in (before, later)] == [
        (before, True),
        (later, True),
        (before, False),
    ]


async def test_a_lease_has_one_owner_and_fences_the_one_before(bus: Bus, unique_name: NewName) -> None:
    name, first, second = unique_name("lease"), LeaseKeeper(bus, "first"), LeaseKeeper(bus, "second")
    lease = await first.acquire(name)
    assert lease is not None
    assert await second.acquire(name) is None
    before = lease.revision
    assert await first.renew(lease)
    assert lease.revision > before
    again = await LeaseKeeper(bus, "first").acquire(name)
    assert again is not None, "an owner that restarts gets its own lease back"
    assert not await first.renew(lease), "the lease of its former life is fenced"
    await LeaseKeeper(bus, "first").release(again)
    taken = await second.acquire(name)
    assert taken is not None
    assert taken.revision > again.revision


async def test_waiting_for_searchers_means_all_that_live(
    bus: Bus, unique_name: NewName, eventually: Eventually
) -> None:
    collection, first, second = unique_name(), unique_name("searcher"), unique_name("searcher")

    def announcement(searcher: str, version: int) -> SearcherAnnouncement:
        return SearcherAnnouncement(searcher=searcher, address="127.0.0.1:1", manifests={f"{collection}-u1": version})

    async with SearcherDirectory(bus) as directory:
        await announce_searcher(bus, announcement(first, 3))
        await eventually(lambda: directory.loaded_everywhere(collection, "u1") == 3)
        await announce_searcher(bus, announcement(second, 2))
        await eventually(lambda: directory.loaded_everywhere(collection, "u1") == 2)
        await withdraw_searcher(bus, second)
        await eventually(lambda: directory.loaded_everywhere(collection, "u1") == 3)
        assert directory.loaded_everywhere(collection, "another incarnation") == 0
        await withdraw_searcher(bus, first)


async def test_a_full_ingest_stream_refuses_rather_than_forgets(bus: Bus) -> None:
    info = await bus.jetstream.stream_info(INGEST.name)
    assert info.config.discard == "new"


async def test_what_cannot_be_read_hides_nothing_else(
    fresh_nats_server: NatsServer, tmp_path: Path, eventually: Eventually
) -> None:
    async with Bus(shared_settings(fresh_nats_server, tmp_path), name="test") as bus:
        for bucket in (SEARCHERS, COLLECTIONS):
            await (await bus.bucket(bucket)).put("a-newer-version", b"{}")
        async with SearcherDirectory(bus) as searchers, CollectionDirectory(bus) as collections:
            await announce_searcher(bus, SearcherAnnouncement(searcher="s1", address="127.0.0.1:1", manifests={}))
            await CollectionRegistry(bus).create(record("photos"))
            await eventually(lambda: list(searchers.addresses()) == ["s1"])
            await eventually(lambda: [known.name for known in collections.all()] == ["photos"])
