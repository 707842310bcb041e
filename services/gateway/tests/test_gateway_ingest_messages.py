"""Events of a batch request on the bus: what may shares a message, in the order in which it came."""

from sightwire_gateway.ingest_messages import ingest_messages

from sightwire.contracts import ingest_batches
from sightwire.contracts.events import IngestEvent
from sightwire.contracts.ingest_batches import decode_batch


def events(*ids: str) -> list[IngestEvent]:
    return [IngestEvent(id=item_id, vectors={"own": "AACAPwAAIEA="}) for item_id in ids]


def test_one_event_is_a_message_of_its_own():
    [single] = ingest_messages("photos", events("a"), [True])
    assert single.message.subject == "ingest.photos"
    assert single.message.headers["content-type"] == "application/json"
    assert IngestEvent.model_validate_json(single.message.payload).id == "a"


def test_runs_of_events_share_a_message():
    messages = ingest_messages("photos", events(*"abcda"), [True, True, False, True, True])
    assert [each.positions for each in messages] == [range(2), range(2, 3), range(3, 5)]
    assert messages[0].message.headers["content-type"] == ingest_batches.CONTENT_TYPE
    unpacked = [IngestEvent.model_validate_json(event.payload) for event in decode_batch(messages[0].message.payload)]
    assert unpacked == events("a", "b")
