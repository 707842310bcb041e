"""Tells items that they are searchable, once every live searcher has loaded the manifest that holds them."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sightwire.contracts.events import ItemState, ItemStatus
from sightwire.segments.manifest import Manifest
from sightwire.segments.outcomes import ItemOutcome
from sightwire_indexer.decoding import Rejection

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    manifest_version: int
    sequence: int
    outcomes: Sequence[ItemOutcome]


class StatusAnnouncer:
    """Statuses of one collection's items.

    Args:
        loaded_everywhere: manifest version that every live searcher has loaded; 0 for none.
        send: writes statuses and returns when the bus has them.
    """

    def __init__(
        self,
        collection: str,
        loaded_everywhere: Callable[[], int],
        send: Callable[[Sequence[ItemStatus]], Awaitable[None]],
        *,
        announced_sequence: int,
    ) -> None:
        self._collection = collection
        self._loaded_everywhere = loaded_everywhere
        self._send = send
        self._waiting: deque[_Waiting] = deque()
        self._poked = asyncio.Event()
        #: Position in the log up to which all items were told.
        self.announced_sequence = announced_sequence

    @property
    def waiting_items(self) -> int:
        """Items that are committed but not yet loaded by every searcher."""
        return sum(len(entry.outcomes) for entry in self._waiting)

    def committed(self, manifest_version: int, sequence: int, outcomes: Sequence[ItemOutcome]) -> None:
        """A manifest contains the log up to `sequence`; `outcomes` is what it made of the items that were new in it."""
        self._waiting.append(_Waiting(manifest_version, sequence, outcomes))
        self._poked.set()

    def poke(self) -> None:
        """A searcher loaded something, came or went."""
        self._poked.set()

    async def run(self) -> None:
        """Announces until cancelled."""
        while True:
            await self._poked.wait()
            self._poked.clear()
            await self._announce_loaded()

    async def _announce_loaded(self) -> None:
        loaded = self._loaded_everywhere()
        while self._waiting and self._waiting[0].manifest_version <= loaded:
            entry = self._waiting[0]
            now = datetime.now(UTC)
            statuses = [
                item_status(self._collection, outcome, entry.manifest_version, now) for outcome in entry.outcomes
            ]
            try:
                await self._send(statuses)
            except Exception:
                logger.exception("cannot write item statuses, trying again", extra={"collection": self._collection})
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._poked.set)
                return
            self._waiting.popleft()
            self.announced_sequence = max(self.announced_sequence, entry.sequence)


def item_status(collection: str, outcome: ItemOutcome, manifest_version: int, now: datetime) -> ItemStatus:
    """The status of an item that a manifest holds, or holds as deleted."""
    return ItemStatus(
        collection=collection,
        id=outcome.id,
        state=ItemState.DELETED if outcome.deleted else ItemState.SEARCHABLE,
        version=outcome.version,
        objects=None if outcome.deleted else outcome.objects,
        manifest_version=manifest_version,
        updated_at=now,
    )


def rejection_status(manifest: Manifest, rejection: Rejection, known: ItemOutcome | None) -> ItemStatus:
    """The status of an item that cannot be indexed: failed, unless the index holds a newer version of it."""
    if known is not None and known.version > rejection.version:
        return item_status(manifest.collection, known, manifest.version, datetime.now(UTC))
    return ItemStatus(
        collection=manifest.collection,
        id=rejection.id,
        state=ItemState.FAILED,
        version=rejection.version,
        reason=rejection.reason,
    )
