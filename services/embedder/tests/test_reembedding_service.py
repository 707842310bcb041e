"""New items reach the index that answers first and its other copies afterwards; those are filled when there is time."""

import base64
import io
import json
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest_asyncio
from PIL import Image

from services.embedder.tests.embedder_world import CollectionOnTheBus, vectors_of
from services.embedder.tests.models_world import NEW, ModelsWorld, models_world
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.dead_letters import list_dead_letters, replay_dead_letter
from sightwire.bus.item_status import ItemStatusStore
from sightwire.bus.reembedding import VersionedEvent, reembed_messages
from sightwire.contracts import ingest_batches
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IngestEvent, ItemState
from sightwire.contracts.ingest_batches import BatchedEvent, encode_batch
from sightwire.v1 import events_pb2


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(module_nats_server, tmp_path_factory) -> AsyncIterator[ModelsWorld]:
    async with models_world(
        module_nats_server, tmp_path_factory.mktemp("models"), SIGHTWIRE_EMBEDDER_MAX_DELIVERIES="3"
    ) as entered:
        await entered.load_new()
        yield entered


def red_picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 10, 10)).save(stream, "PNG")
    return stream.getvalue()


def versions(collection: CollectionOnTheBus) -> dict[str, tuple[int, bool]]:
    return {item.item_id: (item.version, item.deleted) for item in collection.items}


async def nothing_is_left(world: ModelsWorld) -> bool:
    return not await world.left_in("INGEST") and not await world.left_in("REEMBED")


async def test_puts_and_deletes_reach_the_shadow_in_their_versions(world, unique_name, eventually):
    collection, shadow = await world.with_shadow(unique_name("photos"))
    picture = base64.b64encode(red_picture()).decode()
    await collection.publish(
        {
            "id": "p",
            "image": {"data": picture, "filename": "red.png"},
            "text": "a red apple",
            "tags": ["fruit"],
            "metadata": {"price": 3, "colour": "red"},
            "vectors": {"mine": [1.0, 2.0, 3.5]},
        }
    )
    await collection.publish({"id": "gone", "operation": "delete"})
    await eventually(lambda: set(shadow.by_id) == {"p", "gone"})
    assert versions(shadow) == versions(collection)
    mine, copied = collection.by_id["p"], shadow.by_id["p"]
    assert (copied.text, copied.tags, copied.metadata) == (mine.text, mine.tags, mine.metadata)
    assert copied.picture == mine.picture, "the picture is the stored one"
    assert (copied.time, copied.accepted_at) == (mine.time, mine.accepted_at)
    assert vectors_of(copied, "mine").tolist() == [[1.0, 2.0, 3.5]]
    for name in ("image", "text"):
        assert vectors_of(mine, name).shape == (1, 5)
        assert vectors_of(copied, name).shape == (1, 7)
    (message,) = {(batch.collection_uid, batch.space) for batch in shadow.messages}
    assert message == (shadow.record.uid, NEW)
    assert await ItemStatusStore(world.bus).get(shadow.name, "p") is None
    assert await collection.state("p") is ItemState.EMBEDDED
    await eventually(lambda: nothing_is_left(world))


async def test_events_of_one_message_are_passed_on_together(world, unique_name, eventually):
    collection, shadow = await world.with_shadow(unique_name("vectors"))
    events = [{"id": f"v{number}", "vectors": {"mine": [number, 1, 2]}} for number in range(100)]
    payload = encode_batch([BatchedEvent(json.dumps(event).encode()) for event in events])
    sequence = await collection.publish(payload, {"content-type": ingest_batches.CONTENT_TYPE})
    await eventually(lambda: len(shadow.by_id) == 100)
    assert versions(shadow) == versions(collection) == {f"v{number}": (sequence, False) for number in range(100)}


async def test_once_the_shadow_answers_items_go_there_first_and_to_the_old_index_afterwards(
    world, unique_name, eventually
):
    collection, shadow = await world.with_shadow(unique_name("moved"))
    await CollectionRegistry(world.bus).change(
        collection.name, lambda record: record.model_copy(update={"answering": shadow.name})
    )

    async def goes_to_the_shadow_first() -> bool:
        # The embedder's directory may be some milliseconds behind.
        await collection.publish({"id": "first", "text": "a cat"})
        await eventually(lambda: "first" in shadow.by_id and "first" in collection.by_id)
        latest = max(item.version for item in shadow.items)
        return await order_of(world, latest) == [shadow.name, collection.name]

    await eventually(goes_to_the_shadow_first)
    status = await ItemStatusStore(world.bus).get(collection.name, "first")
    assert status is not None
    assert status.state is ItemState.EMBEDDED
    await collection.publish({"id": "bad", "text": "x", "metadata": {"price": "dear"}})
    (letter,) = await eventually(collection.dead_letters)
    assert collection.name in letter.reason or "price" in letter.reason
    assert shadow.name not in letter.reason
    await eventually(lambda: nothing_is_left(world))


async def order_of(world: ModelsWorld, version: int) -> list[str]:
    """The copies that got a version, in the order in which they got it."""
    info = await world.bus.jetstream.stream_info("EMBEDDED")
    found = []
    for sequence in range(1, info.state.last_seq + 1):
        message = await world.bus.jetstream.get_msg("EMBEDDED", sequence)
        batch = events_pb2.EmbeddedBatch.FromString(message.data)
        if any(item.version == version for item in batch.items):
            found.append(batch.collection)
    return found


def fillers(count: int) -> list[VersionedEvent]:
    return [VersionedEvent(1000 + number, IngestEvent(id=f"f{number}", text="a red apple")) for number in range(count)]


async def refill(world: ModelsWorld, record: CollectionRecord, events: list[VersionedEvent]) -> None:
    await world.bus.publish_all(reembed_messages(record, events, source="test"))


async def test_a_shadow_is_filled_with_the_versions_that_items_have(world, unique_name, eventually):
    collection, shadow = await world.with_shadow(unique_name("filled"))
    await refill(world, shadow.record, fillers(200))
    await eventually(lambda: len(shadow.by_id) == 200, deadline=30)
    assert versions(shadow) == {f"f{number}": (1000 + number, False) for number in range(200)}
    assert all(np.isfinite(vectors_of(item, "text")).all() for item in shadow.items)
    assert collection.items == []
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(world.embedder.url("/metrics"))).text
    assert 'sightwire_reembedded_items_total{outcome="embedded"}' in metrics
    assert "sightwire_reembed_waiting_messages" in metrics


async def test_an_item_that_cannot_be_made_anew_is_buried_alone_and_can_be_replayed(world, unique_name, eventually):
    _, shadow = await world.with_shadow(unique_name("partly"))
    bad = VersionedEvent(7, IngestEvent(id="bad", vectors={"mine": [1.0]}))
    await refill(world, shadow.record, [*fillers(3), bad])
    await eventually(lambda: len(shadow.by_id) == 3)

    async def letters() -> list[int]:
        return [
            letter.sequence
            for letter in await list_dead_letters(world.bus, limit=1000)
            if letter.original_subject == f"reembed.{shadow.name}"
        ]

    (sequence,) = await eventually(letters)
    await eventually(lambda: nothing_is_left(world))
    await replay_dead_letter(world.bus, sequence)
    (again,) = await eventually(letters)
    assert again > sequence, "it was read as before, and is as bad as before"


async def test_items_for_a_shadow_that_is_gone_are_dropped(world, unique_name, eventually):
    _, shadow = await world.with_shadow(unique_name("dropped"))
    former = shadow.record.model_copy(update={"uid": "former"})
    never = CollectionRecord.model_validate(
        shadow.record.model_dump() | {"spec": shadow.record.spec.model_dump() | {"name": "never--there"}}
    )
    await refill(world, former, fillers(2))
    await refill(world, never, fillers(2))
    await eventually(lambda: nothing_is_left(world))
    assert shadow.items == []


async def test_items_wait_for_a_model_however_long_it_takes(world, unique_name, eventually):
    collection, shadow = await world.with_shadow(unique_name("patient"))
    answered_by_new = await world.collection(unique_name("new-alone"), NEW)
    await world.remove_new()
    await collection.publish({"id": "a", "text": "a cat"})
    await answered_by_new.publish({"id": "b", "text": "a cat"})
    await eventually(lambda: "a" in collection.by_id)

    async def has_been_tried_more_often_than_allowed() -> bool:
        consumers = [("INGEST", "embedder"), ("REEMBED", "reembedder")]
        infos = [await world.bus.jetstream.consumer_info(*names) for names in consumers]
        return all((info.delivered.consumer_seq or 0) > (info.delivered.stream_seq or 0) for info in infos)

    await eventually(has_been_tried_more_often_than_allowed, deadline=20)
    await world.load_new()
    await eventually(lambda: "a" in shadow.by_id and "b" in answered_by_new.by_id, deadline=30)
    assert await collection.dead_letters() == await answered_by_new.dead_letters() == []


async def test_nothing_is_lost_when_the_embedder_is_killed_while_it_fills(fresh_nats_server, tmp_path, eventually):
    async with models_world(fresh_nats_server, tmp_path) as world:
        await world.load_new()
        collection, shadow = await world.with_shadow("photos")
        await refill(world, shadow.record, fillers(3000))
        for number in range(50):
            await collection.publish({"id": f"live{number}", "text": "a cat"})
        await eventually(lambda: len(shadow.by_id) > 100, deadline=30)
        await world.embedder.stop(signal.SIGKILL)
        await world.embedder.start()
        await eventually(lambda: len(shadow.by_id) == 3050, deadline=60)
        await eventually(lambda: len(collection.by_id) == 50)
        made = {(item.item_id, item.version) for item in shadow.items}
        assert len(made) == 3050, "what comes twice comes with the same version"
        await eventually(lambda: nothing_is_left(world), deadline=30)


async def test_stopping_gives_back_what_has_not_begun(fresh_nats_server, tmp_path, eventually):
    async with models_world(fresh_nats_server, tmp_path) as world:
        await world.load_new()
        _, shadow = await world.with_shadow("photos")
        await refill(world, shadow.record, fillers(3000))
        await eventually(lambda: shadow.items, deadline=30)
        started = datetime.now(UTC)
        assert await world.embedder.stop() == 0
        assert (datetime.now(UTC) - started).total_seconds() < 15
        await world.embedder.start()
        await eventually(lambda: len(shadow.by_id) == 3000, deadline=60)
