"""What is done with deliveries of one stream: how the pipeline asks for it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IngestEvent
from sightwire_embedder.ingest.delivery import IngestDelivery
from sightwire_embedder.ingest.outbox import OutgoingItem
from sightwire_embedder.ingest.retry import Bury


class MadeItem(NamedTuple):
    """An item to publish, and what it was made of."""

    outgoing: OutgoingItem
    event: IngestEvent
    #: The collection that it came for.
    collection: CollectionRecord


class ItemWork(Protocol):
    """From a delivery to an item, and what belongs to it besides publishing."""

    #: Whether the items of one message are made one after the other and published together.
    makes_together: bool

    def take_apart(self, message: IngestDelivery) -> list[IngestDelivery]:
        """A delivery for each item of a message."""
        ...

    async def make(self, delivery: IngestDelivery) -> MadeItem | None:
        """The item; None if nobody wants it any more. Raises what is wrong with it or with the world."""
        ...

    async def pass_on(self, made: Sequence[MadeItem]) -> None:
        """Called with items of one message when they are stored, before the bus is told that they are done."""
        ...

    async def bury(self, delivery: IngestDelivery, fate: Bury) -> None:
        """Puts a delivery into the dead-letter queue; raises when the queue did not take it."""
        ...

    def count(self, outcome: str, deliveries: int = 1) -> None:
        """Told what became of deliveries: embedded, dropped, retried or buried."""
        ...
