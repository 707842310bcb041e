"""Several ingest events in one message: what needs no model travels together.

The bus flushes and acknowledges a message, not an item, so that many items in one cost about what one costs. All items
of a message have its sequence as their version, which is why their ids must differ: of two versions of one item only
the order counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from sightwire.contracts.collections import CollectionRecord, VectorSource
from sightwire.contracts.events import IngestEvent
from sightwire.errors import InvalidInputError

#: Says in the header `content-type` that a message is one of these.
CONTENT_TYPE: Final = "application/vnd.sightwire.ingest-batch+json"
MAX_EVENTS: Final = 128
#: Far below the largest message that the stream takes; a single event may be larger than this.
MAX_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class BatchedEvent:
    """An `IngestEvent` as JSON, and the trace context of its own publishing; empty when that is not sampled."""

    payload: bytes
    traceparent: str = ""


def needs_model(event: IngestEvent, record: CollectionRecord) -> bool:
    """Whether a model will work on the event: such events travel alone, so that one that fails disturbs no other."""
    embeds_text = bool(event.text) and bool(record.spec.field_names(VectorSource.TEXT))
    return event.image is not None or embeds_text


def group_events(ids: Sequence[str], sizes: Sequence[int], may_join: Sequence[bool]) -> list[range]:
    """Which events share a message: runs of positions, in order and without gaps.

    Args:
        ids: of the events' items; those of one message differ.
        sizes: bytes of each event.
        may_join: whether each may share a message at all.
    """
    groups: list[range] = []
    start, start_bytes = 0, 0
    members: set[str] = set()
    for position, (item_id, size, joins) in enumerate(zip(ids, sizes, may_join, strict=True)):
        fits = joins and len(members) < MAX_EVENTS and start_bytes + size <= MAX_BYTES and item_id not in members
        if position > start and not (fits and may_join[start]):
            groups.append(range(start, position))
            start, start_bytes = position, 0
            members.clear()
        members.add(item_id)
        start_bytes += size
    if members:
        groups.append(range(start, len(ids)))
    return groups


def encode_batch(events: Sequence[BatchedEvent]) -> bytes:
    """The payload of a message with these events."""
    traceparents = [event.traceparent for event in events]
    return orjson.dumps(
        {
            "events": [orjson.Fragment(event.payload) for event in events],
            **({"traceparents": traceparents} if any(traceparents) else {}),
        }
    )


def decode_batch(payload: bytes) -> list[BatchedEvent]:
    """The events of a message, each to be read on its own: one that is malformed does not hinder the others.

    Raises:
        InvalidInputError: the message itself cannot be taken apart.
    """
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(f"the batch of ingest events is not JSON: {error}") from None
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list) or not 1 <= len(events) <= MAX_EVENTS:
        raise InvalidInputError(f"a batch of ingest events needs 'events', a list of 1 to {MAX_EVENTS}")
    traceparents = document.get("traceparents", [""] * len(events))
    if not isinstance(traceparents, list) or len(traceparents) != len(events):
        raise InvalidInputError("a batch of ingest events has one of 'traceparents' for each of 'events', or none")
    ids = [event.get("id") for event in events if isinstance(event, dict)]
    named = [item_id for item_id in ids if isinstance(item_id, str)]
    if len(set(named)) != len(named):
        raise InvalidInputError("a batch of ingest events has each id once: all its items have the same version")
    return [
        BatchedEvent(orjson.dumps(event), traceparent if isinstance(traceparent, str) else "")
        for event, traceparent in zip(events, traceparents, strict=True)
    ]
