"""Items of REEMBED to items of the copy that they are for."""

from collections.abc import Sequence
from dataclasses import replace

from google.protobuf.message import DecodeError

from sightwire.errors import InvalidInputError, UnknownCollectionError
from sightwire.telemetry.tracing import TRACEPARENT
from sightwire.v1 import events_pb2
from sightwire_embedder import metrics
from sightwire_embedder.ingest.batch_answers import SharedMessage
from sightwire_embedder.ingest.copies import Copies
from sightwire_embedder.ingest.delivery import IngestDelivery, parse_event
from sightwire_embedder.ingest.ingest_work import BuryDelivery
from sightwire_embedder.ingest.item_embedder import ItemEmbedder
from sightwire_embedder.ingest.item_work import MadeItem
from sightwire_embedder.ingest.outbox import Destination, OutgoingItem
from sightwire_embedder.ingest.retry import Bury


class ReembedWork:
    """`ItemWork` for REEMBED. Users hear nothing of these items: they know them from the index that answers."""

    makes_together = False

    def __init__(self, embedder: ItemEmbedder, copies: Copies, bury: BuryDelivery) -> None:
        self._embedder = embedder
        self._copies = copies
        self._bury = bury

    def take_apart(self, message: IngestDelivery) -> list[IngestDelivery]:
        """A delivery for each item, whose payload is a batch with this item alone: a dead letter can be replayed.

        A batch that cannot be read stays whole, and is found malformed when it is worked on.
        """
        try:
            batch = events_pb2.ReembedBatch.FromString(message.payload)
        except DecodeError:
            return [message]
        if not batch.items:
            return [message]
        shared = SharedMessage(message.message, len(batch.items))
        headers = {name: value for name, value in message.headers.items() if name != TRACEPARENT}
        return [
            replace(
                message,
                payload=events_pb2.ReembedBatch(
                    collection=batch.collection, collection_uid=batch.collection_uid, items=[item]
                ).SerializeToString(),
                headers=headers | {TRACEPARENT: item.traceparent} if item.traceparent else headers,
                message=shared,
                position=position,
            )
            for position, item in enumerate(batch.items)
        ]

    async def make(self, delivery: IngestDelivery) -> MadeItem | None:
        """The item with the copy's vectors, in the version that it has elsewhere; None if the copy is gone."""
        batch = _read(delivery.payload)
        (item,) = batch.items
        try:
            copy = await self._copies.find(delivery.collection)
        except UnknownCollectionError:
            return None
        if copy.uid != batch.collection_uid:
            return None
        event = parse_event(item.event)
        made = await self._embedder.embed(event, copy, item.version)
        return MadeItem(OutgoingItem(Destination(copy.name, copy.uid, copy.space), made, None), event, copy)

    async def pass_on(self, made: Sequence[MadeItem]) -> None:
        """Nothing: these were passed on."""

    async def bury(self, delivery: IngestDelivery, fate: Bury) -> None:
        """Puts a delivery into the dead-letter queue."""
        await self._bury(delivery, fate)

    def count(self, outcome: str, deliveries: int = 1) -> None:
        metrics.count_reembedded(outcome, deliveries)


def _read(payload: bytes) -> events_pb2.ReembedBatch:
    try:
        batch = events_pb2.ReembedBatch.FromString(payload)
    except DecodeError as error:
        raise InvalidInputError(f"the message is no sightwire.v1.ReembedBatch: {error}") from None
    if len(batch.items) != 1:
        raise InvalidInputError(f"a sightwire.v1.ReembedBatch needs items, got {len(batch.items)}")
    return batch
