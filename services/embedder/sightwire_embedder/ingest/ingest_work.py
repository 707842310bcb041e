"""Events of INGEST to items of the index that answers, and on to the other copies of their collection."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from itertools import groupby

from sightwire.bus.connection import OutgoingMessage
from sightwire.bus.reembedding import VersionedEvent, reembed_messages
from sightwire.contracts.events import BlobReference, ImageSource, IngestEvent, ItemState, ItemStatus, Operation
from sightwire.v1 import events_pb2
from sightwire_embedder import metrics
from sightwire_embedder.ingest.batch_answers import taken_apart
from sightwire_embedder.ingest.copies import Copies
from sightwire_embedder.ingest.delivery import IngestDelivery, parse_event, readable_id
from sightwire_embedder.ingest.item_embedder import ItemEmbedder
from sightwire_embedder.ingest.item_work import MadeItem
from sightwire_embedder.ingest.outbox import Destination, OutgoingItem, SendStatus
from sightwire_embedder.ingest.retry import Bury

BuryDelivery = Callable[[IngestDelivery, Bury], Awaitable[None]]
PublishAll = Callable[[Sequence[OutgoingMessage]], Awaitable[object]]


class IngestWork:
    """`ItemWork` for INGEST. Users hear of these items under their collection's name, whichever index answers."""

    makes_together = True

    def __init__(
        self,
        embedder: ItemEmbedder,
        copies: Copies,
        *,
        publish_all: PublishAll,
        send_status: SendStatus,
        bury: BuryDelivery,
    ) -> None:
        self._embedder = embedder
        self._copies = copies
        self._publish_all = publish_all
        self._send_status = send_status
        self._bury = bury

    def take_apart(self, message: IngestDelivery) -> list[IngestDelivery]:
        """A delivery for each event of a message."""
        return taken_apart(message)

    async def make(self, delivery: IngestDelivery) -> MadeItem:
        """The item with the vectors of the index that answers."""
        event = parse_event(delivery.payload)
        collection = await self._copies.find(delivery.collection)
        index = await self._copies.answering(collection)
        item = await self._embedder.embed(event, index, delivery.sequence)
        status = ItemStatus(
            collection=delivery.collection,
            id=event.id,
            state=ItemState.EMBEDDED,
            version=delivery.sequence,
            objects=len(item.objects) if event.operation is Operation.PUT else None,
        )
        return MadeItem(OutgoingItem(Destination(index.name, index.uid, index.space), item, status), event, collection)

    async def pass_on(self, made: Sequence[MadeItem]) -> None:
        """Has the other copies of the collection get the same items, made anew by their models.

        Which copies there are is looked up when the items are stored: one that comes later finds them in the index.
        """
        messages: list[OutgoingMessage] = []
        for index_name, group in groupby(made, key=lambda each: each.outgoing.destination.collection):
            items = list(group)
            others = await self._copies.others(items[0].collection, index_name)
            if not others:
                continue
            events = [
                VersionedEvent(
                    each.outgoing.item.version,
                    event_of_stored(each.event, each.outgoing.item),
                    each.outgoing.item.traceparent,
                )
                for each in items
            ]
            for copy in others:
                messages += reembed_messages(copy, events, source="embedder", once=True)
        if messages:
            await self._publish_all(messages)

    async def bury(self, delivery: IngestDelivery, fate: Bury) -> None:
        """Puts a delivery into the dead-letter queue, and tells whoever follows its item."""
        await self._bury(delivery, fate)
        item_id = readable_id(delivery.payload, delivery.collection)
        if item_id is not None:
            await self._send_status(
                ItemStatus(
                    collection=delivery.collection,
                    id=item_id,
                    state=ItemState.FAILED,
                    version=delivery.sequence,
                    reason=fate.reason,
                )
            )

    def count(self, outcome: str, deliveries: int = 1) -> None:
        metrics.count_outcome(outcome, deliveries)


def event_of_stored(event: IngestEvent, item: events_pb2.EmbeddedItem) -> IngestEvent:
    """An event that makes a stored item anew: its picture is the stored one, its times are those that it has."""
    accepted_at = item.accepted_at.ToDatetime(UTC)
    if item.deleted:
        return IngestEvent(id=event.id, operation=Operation.DELETE, accepted_at=accepted_at)
    image = None
    if event.image is not None:
        picture = item.picture
        reference = BlobReference(
            blob=picture.blob,
            sha256=picture.sha256,
            media_type=picture.media_type,
            bytes=picture.bytes,
            width=picture.width,
            height=picture.height,
        )
        image = ImageSource(blob=reference, filename=picture.filename)
    return event.model_copy(update={"image": image, "time": item.time.ToDatetime(UTC), "accepted_at": accepted_at})
