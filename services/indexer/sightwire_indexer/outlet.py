"""What the indexer publishes: index events, item statuses, dead letters."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import bury
from sightwire.bus.headers import event_headers
from sightwire.bus.item_status import ItemStatusStore
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IndexFailed, IndexReady, ItemStatus
from sightwire_indexer.log_reader import LogMessage

_SERVICE = "indexer"


class BusOutlet:
    """`Outlet` on the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._statuses = ItemStatusStore(bus)

    async def announce_ready(self, event: IndexReady) -> None:
        """Publishes `index.ready`."""
        await self._bus.publish(
            subjects.index_ready(event.collection),
            event.model_dump_json().encode(),
            event_headers(event_type="sightwire.index.ready", source=_SERVICE, subject=event.collection),
        )

    async def announce_failed(self, record: CollectionRecord, reason: str) -> None:
        """Publishes `index.failed`."""
        event = IndexFailed(
            collection=record.name, collection_uid=record.uid, reason=reason, failed_at=datetime.now(UTC)
        )
        await self._bus.publish(
            subjects.index_failed(record.name),
            event.model_dump_json().encode(),
            event_headers(event_type="sightwire.index.failed", source=_SERVICE, subject=record.name),
        )

    async def send_statuses(self, statuses: Sequence[ItemStatus]) -> None:
        """Writes item statuses; returns when the server has them."""
        await self._statuses.send_all(statuses)

    async def bury(self, message: LogMessage, payload: bytes, reason: str) -> None:
        """Puts `payload` into the dead-letter queue."""
        await bury(
            self._bus,
            original_subject=message.subject,
            payload=payload,
            headers=message.headers,
            service=_SERVICE,
            code="not-indexable",
            reason=reason,
            original_sequence=message.sequence,
        )
