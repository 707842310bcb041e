"""Tells items that they are searchable, once every live searcher has loaded the manifest that holds them.

Only the index that answers for a collection tells its items. One that does not answer remembers for a while whom it
would have told, and makes up for it when it begins to answer: the index before it may not have come so far.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sightwire.contracts.events import ItemState, ItemStatus
from sightwire.segments.outcomes import ItemOutcome
from sightwire_indexer.decoding import Rejection

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 1.0
#: How long, and of how many items at most, an index that does not answer remembers whom it would have told. The index
#: that answers is seconds late as a rule; while a shadow is filled, hundreds of items come each second.
REMEMBERED_SECONDS: Final = 60.0
REMEMBERED_ITEMS: Final = 20_000


@dataclass(frozen=True, slots=True)
class _Waiting:
    manifest_version: int
    sequence: int
    outcomes: Sequence[ItemOutcome]
    committed_at: float


class StatusAnnouncer:
    """Statuses of the items of one index.

    Args:
        collection: the name by which users know the items.
        loaded_everywhere: manifest version that every live searcher has loaded; 0 for none.
        send: writes statuses and returns when the bus has them.
        answers: whether this is the index that answers for the collection now.
        clock: seconds, growing steadily.
    """

    def __init__(
        self,
        collection: str,
        loaded_everywhere: Callable[[], int],
        send: Callable[[Sequence[ItemStatus]], Awaitable[None]],
        *,
        answers: Callable[[], bool],
        announced_sequence: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collection = collection
        self._loaded_everywhere = loaded_everywhere
        self._send = send
        self._answers = answers
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._items = 0
        self._poked = asyncio.Event()
        #: Position in the log up to which all items were told, or need not be.
        self.announced_sequence = announced_sequence

    @property
    def waiting_items(self) -> int:
        """Items that are committed but not yet loaded by every searcher."""
        loaded, tells = self._loaded_everywhere(), self._answers()
        return sum(len(entry.outcomes) for entry in self._waiting if tells or entry.manifest_version > loaded)

    def committed(self, manifest_version: int, sequence: int, outcomes: Sequence[ItemOutcome]) -> None:
        """A manifest contains the log up to `sequence`; `outcomes` is what it made of the items that were new in it."""
        self._waiting.append(_Waiting(manifest_version, sequence, outcomes, self._clock()))
        self._items += len(outcomes)
        self._poked.set()

    def poke(self) -> None:
        """A searcher loaded something, came or went, or another index answers now."""
        self._poked.set()

    async def tell(self, statuses: Sequence[ItemStatus]) -> None:
        """Writes statuses at once, if this index is the one that answers."""
        if self._answers():
            await self._send(statuses)

    async def run(self) -> None:
        """Announces until cancelled."""
        while True:
            await self._poked.wait()
            self._poked.clear()
            if self._answers():
                await self._announce_loaded()
            else:
                self._forget_old()

    def _forget_old(self) -> None:
        oldest = self._clock() - REMEMBERED_SECONDS
        while self._waiting and (self._items > REMEMBERED_ITEMS or self._waiting[0].committed_at < oldest):
            self._done_with_first()

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
            self._done_with_first()

    def _done_with_first(self) -> None:
        entry = self._waiting.popleft()
        self._items -= len(entry.outcomes)
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


def rejection_status(
    collection: str, manifest_version: int, rejection: Rejection, known: ItemOutcome | None
) -> ItemStatus:
    """The status of an item that cannot be indexed: failed, unless the index holds a newer version of it."""
    if known is not None and known.version > rejection.version:
        return item_status(collection, known, manifest_version, datetime.now(UTC))
    return ItemStatus(
        collection=collection,
        id=rejection.id,
        state=ItemState.FAILED,
        version=rejection.version,
        reason=rejection.reason,
    )
