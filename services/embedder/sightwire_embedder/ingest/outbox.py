"""Publishes embedded items in batches: whatever is ready while the last batch was being stored goes out together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, Self

from sightwire.bus.connection import OutgoingMessage
from sightwire.bus.headers import PROTOBUF, event_headers
from sightwire.contracts import subjects
from sightwire.contracts.events import ItemStatus
from sightwire.contracts.streams import EMBEDDED
from sightwire.ending_tasks import end_tasks
from sightwire.errors import TooLargeError, UnavailableError
from sightwire.lasting_tasks import start_lasting
from sightwire.telemetry.tracing import links_to, tracer
from sightwire.v1 import events_pb2

MAX_BATCH_ITEMS: Final = 128
#: Far below the largest message that the stream takes; a single item may be larger than this.
MAX_BATCH_BYTES: Final = 1024 * 1024
#: The largest message less its headers and envelope.
MAX_ITEM_BYTES: Final = EMBEDDED.max_message_bytes - 64 * 1024

_tracer = tracer(__name__)

Publish = Callable[[Sequence[OutgoingMessage]], Awaitable[object]]
SendStatus = Callable[[ItemStatus], Awaitable[None]]


class Destination(NamedTuple):
    """Items of one incarnation of a collection and one space share messages."""

    collection: str
    collection_uid: str
    space: str


class OutgoingItem(NamedTuple):
    """An item to publish, and its status, which leaves just before it; None where nobody is to hear of it."""

    destination: Destination
    item: events_pb2.EmbeddedItem
    status: ItemStatus | None


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """Items that learn together whether they were stored."""

    items: Sequence[OutgoingItem]
    stored: "asyncio.Future[None]"


def require_storable(item: events_pb2.EmbeddedItem) -> None:
    """Raises `TooLargeError` for an item that no message can carry: it would fail the others of its message as well."""
    item_bytes = item.ByteSize()
    if item_bytes > MAX_ITEM_BYTES:
        raise TooLargeError(f"an embedded item may have {MAX_ITEM_BYTES:,} bytes, this one has {item_bytes:,}")


def make_batches(
    items: Sequence[tuple[Destination, events_pb2.EmbeddedItem]],
) -> list[events_pb2.EmbeddedBatch]:
    """The items in messages, each of one destination and in order, of limited number and size."""
    batches: list[events_pb2.EmbeddedBatch] = []
    open_batches: dict[Destination, tuple[events_pb2.EmbeddedBatch, int]] = {}
    for destination, item in items:
        item_bytes = item.ByteSize()
        batch, batch_bytes = open_batches.get(destination, (None, 0))
        if batch is None or len(batch.items) >= MAX_BATCH_ITEMS or batch_bytes + item_bytes > MAX_BATCH_BYTES:
            batch, batch_bytes = events_pb2.EmbeddedBatch(**destination._asdict()), 0
            batches.append(batch)
        batch.items.append(item)
        open_batches[destination] = (batch, batch_bytes + item_bytes)
    return batches


class Outbox:
    """Collects embedded items and publishes them. Use as an async context manager."""

    def __init__(self, publish: Publish, send_status: SendStatus) -> None:
        self._publish = publish
        self._send_status = send_status
        self._entries: list[_Entry] = []
        self._filled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = start_lasting(self._publish_for_ever(), name="outbox")
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            await end_tasks(self._task)
        for entry in self._entries:
            if not entry.stored.done():
                entry.stored.set_exception(UnavailableError("the embedder is shutting down; the event stays queued"))

    async def put(self, *items: OutgoingItem) -> None:
        """Returns once the bus has stored all items.

        Raises:
            UnavailableError: the bus did not confirm one of them.
        """
        if not items:
            return
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._entries.append(_Entry(items, stored))
        self._filled.set()
        await stored

    async def _publish_for_ever(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            entries = [entry for entry in self._entries if not entry.stored.done()]
            self._entries.clear()
            if entries:
                await self._publish_entries(entries)

    async def _publish_entries(self, entries: list[_Entry]) -> None:
        items = [item for entry in entries for item in entry.items]
        with _tracer.start_as_current_span(
            "publish embedded",
            links=links_to(each.item.traceparent for each in items if each.item.traceparent),
            attributes={"sightwire.items": len(items)},
        ):
            try:
                batches = make_batches([(each.destination, each.item) for each in items])
                for each in items:
                    if each.status is not None:
                        await self._send_status(each.status)
                await self._publish([_message(batch) for batch in batches])
            except asyncio.CancelledError:
                self._entries = entries
                raise
            except Exception as error:
                # Some of the messages may have been stored; the indexer ignores what comes twice.
                for entry in entries:
                    if not entry.stored.done():
                        entry.stored.set_exception(error)
                return
        for entry in entries:
            if not entry.stored.done():
                entry.stored.set_result(None)


def _message(batch: events_pb2.EmbeddedBatch) -> OutgoingMessage:
    return OutgoingMessage(
        subject=subjects.embedded(batch.collection, batch.space),
        payload=batch.SerializeToString(),
        headers=event_headers(
            event_type="sightwire.items.embedded",
            source="embedder",
            subject=batch.collection,
            content_type=PROTOBUF,
        ),
    )
