"""Puts items on the bus: picture stored first, then the status, then the event."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from uuid_utils import uuid7

from sightwire.bus.connection import Bus, OutgoingMessage
from sightwire.bus.item_status import ItemStatusStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import ImageSource, IngestEvent, ItemState, ItemStatus, Operation
from sightwire.contracts.ingest_batches import needs_model
from sightwire.errors import SightwireError, UnavailableError
from sightwire_gateway import metrics
from sightwire_gateway.ingest_messages import ingest_messages
from sightwire_gateway.item_checks import check_item
from sightwire_gateway.item_requests import ImageRequest, ItemRequest
from sightwire_gateway.pictures import PictureDesk, picture_from_base64

logger = logging.getLogger(__name__)

_PREPARED_AT_ONCE: Final = 16
_PUBLISH_ATTEMPTS: Final = 2


@dataclass(frozen=True, slots=True)
class Accepted:
    """An item that the bus has stored. `version` is the sequence of its event."""

    id: str
    version: int


class Ingest:
    """The way of items from a request to the bus."""

    def __init__(self, bus: Bus, statuses: ItemStatusStore, pictures: PictureDesk, *, max_picture_bytes: int) -> None:
        self._bus = bus
        self._statuses = statuses
        self._pictures = pictures
        self._max_picture_bytes = max_picture_bytes

    async def prepare(
        self, record: CollectionRecord, item: ItemRequest, *, picture: bytes | None = None, filename: str = ""
    ) -> IngestEvent:
        """The event for an item: everything checked, its picture stored. Nothing is on the bus yet.

        Args:
            record: the collection.
            item: what the caller sent.
            picture: bytes of an uploaded picture, which then is the item's image.
            filename: of the uploaded picture.

        Raises:
            InvalidInputError and its kin: what is wrong with the item or its picture.
        """
        vectors = check_item(record, item, has_upload=picture is not None)
        image: ImageSource | None = None
        if picture is not None:
            image = ImageSource(blob=await self._pictures.store(picture), filename=plain_filename(filename))
        elif item.image is not None:
            image = await self._stored_image(item.image)
        return IngestEvent(
            id=item.id if item.id is not None else str(uuid7()),
            image=image,
            text=item.text,
            tags=tuple(item.tags),
            metadata=item.metadata,
            time=item.time,
            vectors=dict(vectors),
            accepted_at=datetime.now(UTC),
        )

    async def prepare_all(
        self, record: CollectionRecord, items: Sequence[ItemRequest]
    ) -> list[IngestEvent | SightwireError]:
        """`prepare` for each item, several pictures at once; an item's error stands in its place."""
        places = asyncio.Semaphore(_PREPARED_AT_ONCE)

        async def prepared(item: ItemRequest) -> IngestEvent | SightwireError:
            try:
                return await self.prepare(record, item)
            except SightwireError as error:
                return error

        async def prepared_in_turn(item: ItemRequest) -> IngestEvent | SightwireError:
            async with places:
                return await prepared(item)

        # Without a picture there is nothing to wait for, and a task would cost more than the work.
        pictures = [asyncio.create_task(prepared_in_turn(item)) for item in items if item.image is not None]
        with_picture = iter(await asyncio.gather(*pictures))
        return [await prepared(item) if item.image is None else next(with_picture) for item in items]

    async def put(self, collection: str, event: IngestEvent) -> Accepted:
        """Publishes one event and returns once the bus has stored it.

        Raises:
            UnavailableError: the bus did not confirm it.
        """
        [accepted] = await self._put(collection, [event], may_join=[False])
        return accepted

    async def put_all(self, record: CollectionRecord, events: Sequence[IngestEvent]) -> list[Accepted]:
        """Publishes events together, in order, and returns once the bus has stored all of them.

        Those that need no model share messages, and with them versions; see `ingest_batches`.

        Raises:
            UnavailableError: at least one was not confirmed.
        """
        return await self._put(record.name, events, may_join=[not needs_model(event, record) for event in events])

    async def _put(self, collection: str, events: Sequence[IngestEvent], *, may_join: Sequence[bool]) -> list[Accepted]:
        if not self._bus.is_connected:
            raise UnavailableError("the bus is not reachable, so nothing can be stored now; try again")
        # Before the events: messages of one connection keep their order, so that what an event causes comes later.
        now = datetime.now(UTC)
        for event in events:
            await self._statuses.send(
                ItemStatus(collection=collection, id=event.id, state=ItemState.ACCEPTED, updated_at=now)
            )
        messages = ingest_messages(collection, events, may_join)
        try:
            sequences = await self._publish([each.message for each in messages])
        except UnavailableError:
            await self._mark_unconfirmed(collection, [event.id for event in events])
            raise
        for operation in Operation:
            metrics.ITEMS_ACCEPTED.labels(operation.value).inc(sum(event.operation is operation for event in events))
        return [
            Accepted(events[position].id, sequence)
            for each, sequence in zip(messages, sequences, strict=True)
            for position in each.positions
        ]

    async def delete(self, collection: str, item_id: str) -> Accepted:
        """Publishes the deletion of an item; one that does not exist may be deleted too.

        Raises:
            UnavailableError: the bus did not confirm it.
        """
        event = IngestEvent(id=item_id, operation=Operation.DELETE, accepted_at=datetime.now(UTC))
        return await self.put(collection, event)

    async def _publish(self, messages: list[OutgoingMessage]) -> list[int]:
        """Sequences of the messages. Safe to repeat: the bus knows a message that it has by its id."""
        for attempt in range(1, _PUBLISH_ATTEMPTS + 1):
            try:
                if len(messages) == 1:
                    [message] = messages
                    return [(await self._bus.publish(message.subject, message.payload, message.headers)).seq]
                return [acknowledgement.seq for acknowledgement in await self._bus.publish_all(messages)]
            except UnavailableError as error:
                if attempt == _PUBLISH_ATTEMPTS or not self._bus.is_connected:
                    raise
                logger.info("publishing again", extra={"messages": len(messages), "error": error.detail})
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _mark_unconfirmed(self, collection: str, item_ids: Iterable[str]) -> None:
        """Says that items may not have arrived; those that went on meanwhile are left alone."""
        if not self._bus.is_connected:
            return
        for item_id in item_ids:
            try:
                status = await self._statuses.get(collection, item_id)
            except Exception as error:
                # The bus itself is gone: nobody reads a status now, and the caller gets the error anyway.
                logger.warning("statuses cannot be corrected", extra={"collection": collection, "error": repr(error)})
                return
            if status is not None and status.state is ItemState.ACCEPTED:
                await self._statuses.send(
                    ItemStatus(
                        collection=collection,
                        id=item_id,
                        state=ItemState.FAILED,
                        reason="the bus did not confirm the item; put it again",
                    )
                )

    async def _stored_image(self, image: ImageRequest) -> ImageSource:
        filename = plain_filename(image.filename or "")
        if image.blob is not None:
            return ImageSource(blob=await self._pictures.stored(image.blob), filename=filename)
        reference = await self._pictures.store(await self.image_bytes(image))
        if not filename and image.url is not None:
            filename = plain_filename(image.url.partition("?")[0].partition("#")[0])
        return ImageSource(blob=reference, filename=filename)

    async def image_bytes(self, image: ImageRequest) -> bytes:
        """Bytes of a picture given as `data` or `url`, not checked yet."""
        if image.data is not None:
            return picture_from_base64(image.data, max_bytes=self._max_picture_bytes)
        assert image.url is not None, "the model has exactly one source, and `blob` is handled before"
        return await self._pictures.fetch(image.url)


def plain_filename(name: str) -> str:
    """The last part of a path in either notation, without control characters, at most 255 characters."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[-255:]
