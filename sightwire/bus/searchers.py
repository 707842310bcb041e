"""Which searchers live and what they have loaded: the `searchers` bucket."""

import asyncio
from types import TracebackType
from typing import Self

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from sightwire.bus.connection import Bus
from sightwire.bus.watching import watch_bucket
from sightwire.contracts.events import SearcherAnnouncement
from sightwire.contracts.names import key_token
from sightwire.contracts.streams import SEARCHERS
from sightwire.ending_tasks import end_tasks
from sightwire.errors import UnavailableError

ANNOUNCE_SECONDS = SEARCHERS.ttl / 4


async def announce_searcher(bus: Bus, announcement: SearcherAnnouncement) -> None:
    """Says what a searcher has loaded. Must be repeated every `ANNOUNCE_SECONDS`, or the searcher counts as gone.

    Raises:
        UnavailableError: the bus did not confirm it.
    """
    try:
        bucket = await bus.bucket(SEARCHERS)
        await bucket.put(key_token(announcement.searcher), announcement.model_dump_json().encode())
    except (NatsError, JetStreamError, TimeoutError) as error:
        raise UnavailableError(
            f"the bus did not take the announcement of {announcement.searcher!r}: {error!r}"
        ) from error


async def withdraw_searcher(bus: Bus, searcher: str) -> None:
    """Says that a searcher is leaving, so that nobody waits for it.

    Raises:
        UnavailableError: the bus did not confirm it; the announcement then expires by itself.
    """
    try:
        bucket = await bus.bucket(SEARCHERS)
        await bucket.delete(key_token(searcher))
    except (NatsError, JetStreamError, TimeoutError) as error:
        raise UnavailableError(f"the bus did not take the withdrawal of {searcher!r}: {error!r}") from error


class SearcherDirectory:
    """Live searchers, kept current by a watch. Use as an async context manager."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._announcements: dict[str, SearcherAnnouncement] = {}
        self._complete = asyncio.Event()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="searcher-directory")
        await self._complete.wait()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            await end_tasks(self._task)

    def all(self) -> list[SearcherAnnouncement]:
        """Live searchers."""
        return list(self._announcements.values())

    def addresses(self) -> dict[str, str]:
        """gRPC address of each live searcher, by searcher."""
        return {announced.searcher: announced.address for announced in self._announcements.values()}

    def loaded_everywhere(self, collection: str, uid: str) -> int:
        """Highest manifest version that every live searcher has loaded; 0 while one has none or none lives."""
        key = f"{collection}-{uid}"
        return min((announced.manifests.get(key, 0) for announced in self._announcements.values()), default=0)

    def loaded(self, collection: str, uid: str) -> dict[str, int]:
        """Manifest version that each live searcher has loaded, 0 for none; by searcher."""
        key = f"{collection}-{uid}"
        return {searcher.searcher: searcher.manifests.get(key, 0) for searcher in self._announcements.values()}

    async def wait_for_change(self) -> None:
        """Returns after the next announcement, withdrawal or expiry."""
        await self._changed.wait()

    async def _follow(self) -> None:
        async for change in watch_bucket(self._bus, SEARCHERS):
            if change is None:
                self._complete.set()
                continue
            if change.value is None:
                self._announcements.pop(change.key, None)
            else:
                self._announcements[change.key] = SearcherAnnouncement.model_validate_json(change.value)
            self._changed.set()
            self._changed = asyncio.Event()
