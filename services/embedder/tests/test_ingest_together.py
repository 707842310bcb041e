"""Events of one message go through the pipeline together: published at once, each with a fate of its own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from sightwire_embedder.ingest.delivery import IngestDelivery
from sightwire_embedder.ingest.outbox import Outbox
from sightwire_embedder.ingest.pipeline import IngestPipeline
from sightwire_embedder.ingest.retry import RetryPolicy

from sightwire.bus.connection import OutgoingMessage
from sightwire.contracts import ingest_batches
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IngestEvent, ItemStatus
from sightwire.contracts.ingest_batches import BatchedEvent, encode_batch
from sightwire.errors import InvalidVectorError, UnavailableError
from sightwire.v1 import events_pb2

RECORD = CollectionRecord.model_validate(
    {
        "spec": {"name": "photos", "fields": {"own": {"dimension": 2}}},
        "uid": "u",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "space": "external",
    }
)


class World:
    """Everything around a pipeline; ids that begin with "bad" or "later" fail for good or for now."""

    def __init__(self) -> None:
        self.is_down = False
        self.published: list[list[str]] = []
        self.buried: list[int | None] = []
        self.answers: list[object] = []
        self.answered = asyncio.Event()
        self.outcomes: Counter[str] = Counter()

    async def embed(self, event: IngestEvent, _record: CollectionRecord, version: int) -> events_pb2.EmbeddedItem:
        if event.id.startswith("bad"):
            raise InvalidVectorError("wrong dimension")
        if event.id.startswith("later"):
            raise UnavailableError("another embedder serves it")
        return events_pb2.EmbeddedItem(item_id=event.id, version=version)

    async def find_collection(self, _name: str) -> CollectionRecord:
        return RECORD

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        if self.is_down:
            raise UnavailableError("the bus is away")
        batches = [events_pb2.EmbeddedBatch.FromString(message.payload) for message in messages]
        self.published += [[item.item_id for item in batch.items] for batch in batches]

    async def send_status(self, _status: ItemStatus) -> None:
        """Statuses are the outbox's business."""

    async def bury(self, delivery: IngestDelivery, _code: str, _reason: str) -> None:
        self.buried.append(delivery.position)

    def count(self, outcome: str, deliveries: int = 1) -> None:
        self.outcomes[outcome] += deliveries

    async def ack(self) -> None:
        self.answers.append("ack")
        self.answered.set()

    async def nak(self, delay: int | float | None = None) -> None:
        assert delay is not None, "tried again after a while"
        self.answers.append("nak")
        self.answered.set()

    async def in_progress(self) -> None:
        self.answers.append("in progress")

    @asynccontextmanager
    async def pipeline(self, max_in_flight: int = 128) -> AsyncIterator[IngestPipeline]:
        async with (
            Outbox(self.publish, self.send_status) as outbox,
            IngestPipeline(
                embed=self.embed,
                find_collection=self.find_collection,
                outbox=outbox,
                send_status=self.send_status,
                bury=self.bury,
                count_outcome=self.count,
                retry_policy=RetryPolicy(3),
                max_in_flight=max_in_flight,
                drain_seconds=5,
            ) as pipeline,
        ):
            yield pipeline

    def message(self, *ids: str) -> IngestDelivery:
        payload = encode_batch([BatchedEvent(b'{"id":"%s","text":"x"}' % item_id.encode()) for item_id in ids])
        return IngestDelivery("ingest.photos", payload, {"content-type": ingest_batches.CONTENT_TYPE}, 7, 1, self)


@pytest.mark.parametrize(
    ("ids", "published", "buried", "answer", "outcomes"),
    [
        pytest.param("a b c", [["a", "b", "c"]], [], "ack", {"embedded": 3}, id="all are well"),
        pytest.param("a bad c", [["a", "c"]], [1], "ack", {"embedded": 2, "buried": 1}, id="one is buried"),
        pytest.param("a later c", [["a", "c"]], [], "nak", {"embedded": 2, "retried": 1}, id="one comes again"),
        pytest.param("bad1 bad2", [], [0, 1], "ack", {"embedded": 0, "buried": 2}, id="nothing to publish"),
    ],
)
async def test_each_event_has_its_own_fate(
    ids: str, published: list[list[str]], buried: list[int], answer: str, outcomes: dict[str, int]
):
    world = World()
    async with world.pipeline() as pipeline:
        await pipeline.accept([world.message(*ids.split())])
        async with asyncio.timeout(5):
            await world.answered.wait()
    assert (world.published, world.buried, world.answers) == (published, buried, [answer])
    assert world.outcomes == outcomes


async def test_a_bus_that_is_away_means_to_try_the_message_again():
    world = World()
    world.is_down = True
    async with world.pipeline() as pipeline:
        await pipeline.accept([world.message("a", "b")])
        async with asyncio.timeout(5):
            await world.answered.wait()
    assert (world.answers, world.outcomes["retried"]) == (["nak"], 2)


async def test_a_message_with_more_events_than_may_be_in_flight_goes_through():
    world = World()
    async with world.pipeline(max_in_flight=2) as pipeline, asyncio.timeout(5):
        await pipeline.accept([world.message(*"abcde"), world.message(*"fg")])
    assert world.published == [list("abcde"), list("fg")]
    assert world.answers == ["ack", "ack"]
