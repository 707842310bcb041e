"""The key-value registries on a real server: statuses, collections, leases, searchers."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from nats.js.errors import NotFoundError as MessageNotFoundError

from sightwire.bus.collections import CollectionDirectory, CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.item_status import ItemStatusStore
from sightwire.bus.leases import LeaseKeeper
from sightwire.bus.searchers import SearcherDirectory, announce_searcher, withdraw_searcher
from sightwire.bus.topology import ensure_topology
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord, CollectionSpec
from sightwire.contracts.events import ItemState, ItemStatus, SearcherAnnouncement
from sightwire.contracts.streams import BUCKETS, EMBEDDED, INGEST, STREAMS
from sightwire.errors import ConflictError, UnknownCollectionError
from tests.plugin.waiting import Eventually

NewName = Callable[..., str]


def record(name: str, uid: str = "u1") -> CollectionRecord:
    return CollectionRecord(
        spec=CollectionSpec.model_validate({"name": name, "fields": {"v": {"dimension": 4}}}),
        uid=uid,
        created_at=datetime.now(UTC),
    )


async def test_topology_can_be_ensured_again_and_again(bus: Bus) -> None:
    await ensure_topology(bus.client, replicas=1)
    names = {info.config.name for info in await bus.jetstream.streams_info()}
    assert names == {stream.name for stream in STREAMS} | {f"KV_{bucket.name}" for bucket in BUCKETS}


async def test_topology_adapts_a_stream_whose_definition_changed(bus: Bus) -> None:
    name = EMBEDDED.name
    configuration = json.loads((await bus.client.request(f"$JS.API.STREAM.INFO.{name}")).data)["config"]
    configuration["max_age"] = 60_000_000_000
    configuration["duplicate_window"] = 60_000_000_000
    await bus.client.request(f"$JS.API.STREAM.UPDATE.{name}", json.dumps(configuration).encode())
    await ensure_topology(bus.client, replicas=1)
    info = await bus.jetstream.stream_info(name)
    assert info.config.max_age == EMBEDDED.max_age


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
    with pytest.raises(MessageNotFoundError):
        await bus.jetstream.get_last_msg(INGEST.name, subjects.ingest(deleted))
    assert (await bus.jetstream.get_last_msg(INGEST.name, subjects.ingest(kept))).data == b"{}"


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
