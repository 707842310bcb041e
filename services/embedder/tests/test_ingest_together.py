"""Events of one message go through the pipeline together: published at once, each with a fate of its own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sightwire_embedder.ingest.attempts import AttemptLog
from sightwire_embedder.ingest.batch_answers import taken_apart
from sightwire_embedder.ingest.delivery import IngestDelivery
from sightwire_embedder.ingest.item_work import MadeItem
from sightwire_embedder.ingest.outbox import Destination, Outbox, OutgoingItem
from sightwire_embedder.ingest.pipeline import ItemPipeline, MayBegin
from sightwire_embedder.ingest.retry import Bury, RetryPolicy

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
    """All around a pipeline, and its work; ids that begin with "bad" or "later" fail for good or for now."""

    makes_together = True

    def __init__(self) -> None:
        self.is_down = False
        self.published: list[list[str]] = []
        self.passed_on: list[list[str]] = []
        self.buried: list[int | None] = []
        self.answers: list[object] = []
        self.answered = asyncio.Event()
        self.outcomes: Counter[str] = Counter()

    def take_apart(self, message: IngestDelivery) -> list[IngestDelivery]:
        return taken_apart(message)

    async def make(self, delivery: IngestDelivery) -> MadeItem | None:
        event = IngestEvent.model_validate_json(delivery.payload)
        if event.id.startswith("bad"):
            raise InvalidVectorError("wrong dimension")
        if event.id.startswith("later"):
            raise UnavailableError("another embedder serves it")
        if event.id.startswith("gone"):
            return None
        item = events_pb2.EmbeddedItem(item_id=event.id, version=delivery.sequence)
        return MadeItem(OutgoingItem(Destination("photos", "u", "external"), item, None), event, RECORD)

    async def pass_on(self, made: Sequence[MadeItem]) -> None:
        assert len(self.answers) <= len(self.passed_on), "no message is answered before its items are passed on"
        self.passed_on.append([each.event.id for each in made])

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        if self.is_down:
            raise UnavailableError("the bus is away")
        batches = [events_pb2.EmbeddedBatch.FromString(message.payload) for message in messages]
        self.published += [[item.item_id for item in batch.items] for batch in batches]

    async def send_status(self, status: ItemStatus) -> None:
        raise AssertionError(f"these items have no status, got {status}")

    async def bury(self, delivery: IngestDelivery, _fate: Bury) -> None:
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
    async def pipeline(
        self, attempts: Path, max_in_flight: int = 128, may_begin: MayBegin | None = None
    ) -> AsyncIterator[ItemPipeline]:
        async with (
            Outbox(self.publish, self.send_status) as outbox,
            ItemPipeline(
                self,
                outbox,
                AttemptLog(attempts),
                retry_policy=RetryPolicy(3),
                max_in_flight=max_in_flight,
                drain_seconds=5,
                may_begin=may_begin,
            ) as pipeline,
        ):
            yield pipeline

    def message(self, *ids: str, deliveries: int = 1) -> IngestDelivery:
        payload = encode_batch([BatchedEvent(b'{"id":"%s","text":"x"}' % item_id.encode()) for item_id in ids])
        return IngestDelivery(
            "ingest.photos", payload, {"content-type": ingest_batches.CONTENT_TYPE}, 7, deliveries, self
        )


@pytest.mark.parametrize(
    ("ids", "published", "buried", "answer", "outcomes"),
    [
        pytest.param("a b c", [["a", "b", "c"]], [], "ack", {"embedded": 3}, id="all are well"),
        pytest.param("a bad c", [["a", "c"]], [1], "ack", {"embedded": 2, "buried": 1}, id="one is buried"),
        pytest.param("a later c", [["a", "c"]], [], "nak", {"embedded": 2, "retried": 1}, id="one comes again"),
        pytest.param("a gone c", [["a", "c"]], [], "ack", {"embedded": 2, "dropped": 1}, id="nobody wants one"),
        pytest.param("bad1 bad2", [], [0, 1], "ack", {"embedded": 0, "buried": 2}, id="nothing to publish"),
    ],
)
async def test_each_event_has_its_own_fate(
    ids: str, published: list[list[str]], buried: list[int], answer: str, outcomes: dict[str, int], tmp_path: Path
):
    world = World()
    async with world.pipeline(tmp_path) as pipeline:
        await pipeline.accept([world.message(*ids.split())])
        async with asyncio.timeout(5):
            await world.answered.wait()
    assert (world.published, world.buried, world.answers) == (published, buried, [answer])
    assert world.outcomes == outcomes
    assert world.passed_on == published


async def test_a_bus_that_is_away_means_to_try_the_message_again(tmp_path: Path):
    world = World()
    world.is_down = True
    async with world.pipeline(tmp_path) as pipeline:
        await pipeline.accept([world.message("a", "b")])
        async with asyncio.timeout(5):
            await world.answered.wait()
    assert (world.answers, world.outcomes["retried"]) == (["nak"], 2)


async def test_a_message_with_more_events_than_may_be_in_flight_goes_through(tmp_path: Path):
    world = World()
    async with world.pipeline(tmp_path, max_in_flight=2) as pipeline, asyncio.timeout(5):
        await pipeline.accept([world.message(*"abcde"), world.message(*"fg")])
    assert world.published == [list("abcde"), list("fg")]
    assert world.answers == ["ack", "ack"]


async def test_what_was_given_back_often_is_buried_only_if_the_process_died_of_it(tmp_path: Path):
    attempts = AttemptLog(tmp_path)
    for died in (False, True):
        world = World()
        if died:
            assert await attempts.begin("ingest.photos 7 0"), "the attempt before has ended"
        async with world.pipeline(tmp_path) as pipeline, asyncio.timeout(5):
            await pipeline.accept([world.message("a", deliveries=40)])
            await world.answered.wait()
        assert (world.published, world.buried) == (([], [0]) if died else ([["a"]], []))
        assert await attempts.begin("ingest.photos 7 0"), "nothing is remembered of it"
        await attempts.end("ingest.photos 7 0")


async def test_nothing_is_begun_before_it_may_be(tmp_path: Path):
    world, may_begin = World(), asyncio.Event()

    async def wait() -> None:
        await may_begin.wait()

    async with world.pipeline(tmp_path, may_begin=wait) as pipeline, asyncio.timeout(5):
        accepting = asyncio.create_task(pipeline.accept([world.message("a")]))
        for _ in range(5):
            await asyncio.sleep(0)
        assert (pipeline.in_flight, world.published) == (1, [])
        may_begin.set()
        await accepting
        await world.answered.wait()
    assert world.published == [["a"]]


async def test_a_pipeline_is_calm_when_little_is_left(tmp_path: Path):
    world = World()
    async with world.pipeline(tmp_path) as pipeline, asyncio.timeout(5):
        await pipeline.accept([world.message(*(f"item-{number}" for number in range(20)))])
        waiting = asyncio.create_task(pipeline.wait_until_calm())
        await asyncio.sleep(0)
        assert not waiting.done()
        await waiting
    assert world.answers == ["ack"]
