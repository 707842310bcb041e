"""Events that came in one message are worked on one by one, and the bus hears one answer for all."""

import orjson
import pytest
from sightwire_embedder.ingest.batch_answers import SharedMessage, taken_apart
from sightwire_embedder.ingest.delivery import IngestDelivery

from sightwire.contracts import ingest_batches
from sightwire.contracts.ingest_batches import BatchedEvent, encode_batch


class Answers:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    async def ack(self) -> None:
        self.told.append("ack")

    async def nak(self, delay: int | float | None = None) -> None:
        self.told.append(("nak", delay))

    async def in_progress(self) -> None:
        self.told.append("in progress")


def delivery(payload: bytes, message: Answers, **headers: str) -> IngestDelivery:
    return IngestDelivery("ingest.photos", payload, {"ce-id": "x", **headers}, 7, 2, message)


BATCH = {"content-type": ingest_batches.CONTENT_TYPE, "traceparent": "00-of-the-message-01"}


def test_each_event_becomes_a_delivery_with_its_own_trace():
    payload = encode_batch([BatchedEvent(b'{"id":"a"}', "00-a-01"), BatchedEvent(b'{"id":"b"}')])
    first, second = taken_apart(delivery(payload, Answers(), **BATCH))
    assert [orjson.loads(part.payload) for part in (first, second)] == [{"id": "a"}, {"id": "b"}]
    assert (first.position, second.position) == (0, 1)
    assert (first.sequence, first.deliveries, first.collection) == (7, 2, "photos")
    assert first.headers == {"ce-id": "x", "content-type": "application/json", "traceparent": "00-a-01"}
    assert second.headers == {"ce-id": "x", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("payload", "headers"),
    [
        pytest.param(b'{"id": "a"}', {}, id="one event"),
        pytest.param(b'{"events": [{"id": "a"}]}', {}, id="not said to be a batch"),
        pytest.param(b'{"events": 1}', BATCH, id="said to be a batch, and none"),
    ],
)
def test_anything_else_stays_whole(payload: bytes, headers: dict[str, str]):
    whole = delivery(payload, Answers(), **headers)
    assert taken_apart(whole) == [whole]


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        pytest.param([None, None, None], ["ack"], id="all are done"),
        pytest.param([None, 2.0, 0.5], [("nak", 2.0)], id="two are to be tried again, the later one decides"),
        pytest.param([None, None, 0.0], [("nak", None)], id="given back at once"),
    ],
)
async def test_the_bus_hears_one_answer_after_the_last(delays: list[float | None], expected: list[object]):
    told = Answers()
    shared = SharedMessage(told, len(delays))
    for number, delay in enumerate(delays):
        assert told.told == [], f"answered before part {number}"
        await (shared.ack() if delay is None else shared.nak(delay))
    assert told.told == expected


async def test_progress_of_many_events_is_reported_once():
    told = Answers()
    shared = SharedMessage(told, 3)
    for _ in range(3):
        await shared.in_progress()
    assert told.told == ["in progress"]
