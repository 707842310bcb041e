"""Embedded items leave in batches, and each learns whether it was stored."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sightwire_embedder.ingest.outbox import (
    MAX_BATCH_BYTES,
    MAX_BATCH_ITEMS,
    MAX_ITEM_BYTES,
    Destination,
    Outbox,
    OutgoingItem,
    make_batches,
    require_storable,
)

from sightwire.bus.connection import OutgoingMessage
from sightwire.contracts.events import ItemState, ItemStatus
from sightwire.errors import TooLargeError, UnavailableError
from sightwire.v1 import events_pb2

PHOTOS = Destination("photos", "uid-1", "space-1")
TEXTS = Destination("texts", "uid-2", "space-1")
NEW_PHOTOS = Destination("photos", "uid-3", "space-1")


def item(item_id: str, size: int = 0) -> events_pb2.EmbeddedItem:
    return events_pb2.EmbeddedItem(item_id=item_id, text="x" * size)


def entry(item_id: str, destination: Destination = PHOTOS) -> OutgoingItem:
    status = ItemStatus(collection="photos", id=item_id, state=ItemState.EMBEDDED)
    return OutgoingItem(destination, item(item_id), status)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([PHOTOS, TEXTS, NEW_PHOTOS]), st.sampled_from([10, MAX_BATCH_BYTES // 3, MAX_BATCH_BYTES])
        ),
        max_size=100,
    )
)
@settings(deadline=None)
def test_batches(entries):
    items = [(destination, item(str(number), size)) for number, (destination, size) in enumerate(entries)]
    batches = make_batches(items)
    unpacked = [
        (Destination(batch.collection, batch.collection_uid, batch.space), entry.item_id)
        for batch in batches
        for entry in batch.items
    ]
    for destination in (PHOTOS, TEXTS, NEW_PHOTOS):
        expected = [entry.item_id for place, entry in items if place == destination]
        assert [item_id for place, item_id in unpacked if place == destination] == expected
    for batch in batches:
        assert 1 <= len(batch.items) <= MAX_BATCH_ITEMS
        assert len(batch.items) == 1 or sum(entry.ByteSize() for entry in batch.items) <= MAX_BATCH_BYTES


class Bus:
    """Stores what is published once its gate is open; refuses it while `is_down`."""

    def __init__(self) -> None:
        self.published: list[list[OutgoingMessage]] = []
        self.has_begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.is_down = False
        #: What was sent, statuses (ids) and publishes (None), in order.
        self.sent: list[str | None] = []

    async def send_status(self, sent: ItemStatus) -> None:
        self.sent.append(sent.id)

    async def publish_all(self, messages: Sequence[OutgoingMessage]) -> None:
        self.sent.append(None)
        self.published.append(list(messages))
        self.has_begun.set()
        await self.gate.wait()
        if self.is_down:
            raise UnavailableError("the bus did not store it")


def item_ids(messages: Sequence[OutgoingMessage]) -> list[list[str]]:
    return [[entry.item_id for entry in events_pb2.EmbeddedBatch.FromString(m.payload).items] for m in messages]


async def test_what_is_ready_while_a_batch_is_stored_leaves_together():
    bus = Bus()
    async with Outbox(bus.publish_all, bus.send_status) as outbox:
        first = asyncio.create_task(outbox.put(entry("a")))
        await bus.has_begun.wait()
        later = ((PHOTOS, "b"), (TEXTS, "c"), (PHOTOS, "d"))
        others = [asyncio.create_task(outbox.put(entry(name, place))) for place, name in later]
        await asyncio.sleep(0)
        assert not first.done()
        bus.gate.set()
        await asyncio.gather(first, *others)
    assert [item_ids(messages) for messages in bus.published] == [[["a"]], [["b", "d"], ["c"]]]
    assert bus.sent == ["a", None, "b", "c", "d", None], "each status leaves before its item"
    assert bus.published[1][0].subject == "embedded.photos.space-1"
    assert bus.published[1][0].headers["content-type"] == "application/x-protobuf"


async def test_every_item_of_a_failed_publish_learns_of_it_and_the_next_is_tried():
    bus = Bus()
    bus.is_down = True
    bus.gate.set()
    async with Outbox(bus.publish_all, bus.send_status) as outbox:
        results = await asyncio.gather(*(outbox.put(entry(n)) for n in "ab"), return_exceptions=True)
        assert [type(result) for result in results] == [UnavailableError, UnavailableError]
        bus.is_down = False
        await outbox.put(entry("c"))


async def test_items_that_are_put_together_leave_together():
    bus = Bus()
    bus.gate.set()
    async with Outbox(bus.publish_all, bus.send_status) as outbox:
        await outbox.put(entry("a"), entry("b"), entry("c", TEXTS))
    assert [item_ids(messages) for messages in bus.published] == [[["a", "b"], ["c"]]]


def test_an_item_that_no_message_can_carry_is_refused():
    with pytest.raises(TooLargeError, match="may have 8,323,072 bytes"):
        require_storable(item("a", MAX_ITEM_BYTES))
    require_storable(item("a", MAX_ITEM_BYTES - 100))


async def test_items_that_were_not_stored_when_it_closes_are_told():
    bus = Bus()
    async with Outbox(bus.publish_all, bus.send_status) as outbox:
        waiting = asyncio.create_task(outbox.put(entry("a")))
        await bus.has_begun.wait()
    with pytest.raises(UnavailableError, match="shutting down"):
        await waiting
