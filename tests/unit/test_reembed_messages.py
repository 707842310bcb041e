"""Items for other copies travel in messages of limited size, which the bus can tell from their repetitions."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from sightwire.bus.reembedding import MAX_BATCH_BYTES, MAX_BATCH_ITEMS, VersionedEvent, reembed_messages
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IngestEvent, Operation
from sightwire.v1 import events_pb2

COPY = CollectionRecord.model_validate(
    {
        "spec": {"name": "photos--1", "fields": {"own": {"dimension": 2}}},
        "uid": "u1",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "shadow_of": "photos",
    }
)


def event(number: int, characters: int = 1, *, traceparent: str = "") -> VersionedEvent:
    return VersionedEvent(number, IngestEvent(id=f"i{number}", text="x" * characters), traceparent)


@given(st.lists(st.sampled_from([1, 40_000, 100_000]), max_size=60))
@settings(deadline=None)
def test_all_events_travel_in_order_in_messages_of_limited_size(sizes: list[int]) -> None:
    events = [event(number, size) for number, size in enumerate(sizes)]
    messages = reembed_messages(COPY, events, source="test")
    batches = [events_pb2.ReembedBatch.FromString(message.payload) for message in messages]
    items = [item for batch in batches for item in batch.items]
    assert [item.version for item in items] == [each.version for each in events]
    assert [IngestEvent.model_validate_json(item.event) for item in items] == [each.event for each in events]
    for batch in batches:
        assert (batch.collection, batch.collection_uid) == ("photos--1", "u1")
        assert 1 <= len(batch.items) <= MAX_BATCH_ITEMS
        assert sum(len(item.event) for item in batch.items) <= MAX_BATCH_BYTES
    assert {message.subject for message in messages} <= {"reembed.photos--1"}


def id_of(*events: VersionedEvent, once: bool = True) -> str:
    (message,) = reembed_messages(COPY, events, source="test", once=once)
    return message.headers["Nats-Msg-Id"]


def test_a_repetition_is_known_by_its_versions_and_items() -> None:
    assert id_of(event(1), event(2)) == id_of(event(1, traceparent="00-other-01"), event(2))
    deleted = VersionedEvent(1, IngestEvent(id="other", operation=Operation.DELETE))
    assert len({id_of(event(1), event(2)), id_of(event(1)), id_of(event(2)), id_of(deleted)}) == 4
    assert id_of(event(1), once=False) != id_of(event(1), once=False), "what fills a copy may be sent again"
