"""Items for the other copies of a collection, as messages of REEMBED; pure."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from sightwire.bus.connection import OutgoingMessage
from sightwire.bus.headers import PROTOBUF, event_headers
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IngestEvent
from sightwire.v1 import events_pb2

MAX_BATCH_ITEMS: Final = 64
#: Far below the largest message that the stream takes; a single item may be larger than this.
MAX_BATCH_BYTES: Final = 1024 * 1024


class VersionedEvent(NamedTuple):
    """An item to be made anew for another copy, in the version that it has, and its trace context."""

    version: int
    event: IngestEvent
    traceparent: str = ""


def reembed_messages(
    copy: CollectionRecord,
    events: Iterable[VersionedEvent],
    *,
    source: str,
    once: bool = False,
    max_items: int = MAX_BATCH_ITEMS,
) -> list[OutgoingMessage]:
    """The events in messages for whichever embedder serves the copy's space.

    Args:
        source: the service that publishes.
        once: whether messages of the same events, published again soon after, are dropped by the bus.
        max_items: events of a message at most.
    """
    return [_message(copy, batch, source=source, once=once) for batch in _batches(events, max_items)]


def _message(
    copy: CollectionRecord, items: Sequence[tuple[VersionedEvent, bytes]], *, source: str, once: bool
) -> OutgoingMessage:
    batch = events_pb2.ReembedBatch(collection=copy.name, collection_uid=copy.uid)
    for (version, _, traceparent), payload in items:
        batch.items.add(version=version, event=payload, traceparent=traceparent)
    headers = event_headers(
        event_type="sightwire.item.reembed",
        source=source,
        subject=copy.name,
        content_type=PROTOBUF,
        message_id=_id_of(copy, (event for event, _ in items)) if once else None,
    )
    return OutgoingMessage(subjects.reembed(copy.name), batch.SerializeToString(), headers)


def _id_of(copy: CollectionRecord, events: Iterable[VersionedEvent]) -> str:
    """The same for the same versions of the same items."""
    digest = hashlib.blake2b(digest_size=16)
    for version, event, _ in events:
        digest.update(f"{version} {event.id}\n".encode())
    return f"reembed-{copy.name}-{copy.uid}-{digest.hexdigest()}"


def _batches(events: Iterable[VersionedEvent], max_items: int) -> Iterator[list[tuple[VersionedEvent, bytes]]]:
    """The events, each with its JSON, in runs of limited number and size."""
    batch: list[tuple[VersionedEvent, bytes]] = []
    batch_bytes = 0
    for event in events:
        payload = event.event.model_dump_json(exclude_defaults=True).encode()
        if batch and (len(batch) == max_items or batch_bytes + len(payload) > MAX_BATCH_BYTES):
            yield batch
            batch, batch_bytes = [], 0
        batch.append((event, payload))
        batch_bytes += len(payload)
    if batch:
        yield batch
