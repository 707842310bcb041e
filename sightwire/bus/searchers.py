"""Which searchers live and what they have loaded: the `searchers` bucket."""

from sightwire.bus.announcements import AnnouncementDirectory, announce, withdraw
from sightwire.bus.connection import Bus
from sightwire.contracts.events import SearcherAnnouncement
from sightwire.contracts.streams import SEARCHERS

ANNOUNCE_SECONDS = SEARCHERS.ttl / 4


async def announce_searcher(bus: Bus, announcement: SearcherAnnouncement) -> None:
    """Says what a searcher has loaded. Must be repeated every `ANNOUNCE_SECONDS`, or the searcher counts as gone.

    Raises:
        UnavailableError: the bus did not confirm it.
    """
    await announce(bus, SEARCHERS, announcement.searcher, announcement)


async def withdraw_searcher(bus: Bus, searcher: str) -> None:
    """Says that a searcher is leaving, so that nobody waits for it.

    Raises:
        UnavailableError: the bus did not confirm it; the announcement then expires by itself.
    """
    await withdraw(bus, SEARCHERS, searcher)


class SearcherDirectory(AnnouncementDirectory[SearcherAnnouncement]):
    """Live searchers, kept current by a watch. Use as an async context manager."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus, SEARCHERS, SearcherAnnouncement)

    def addresses(self) -> dict[str, str]:
        """gRPC address of each live searcher, by searcher."""
        return {announced.searcher: announced.address for announced in self.all()}

    def loaded_everywhere(self, collection: str, uid: str) -> int:
        """Highest manifest version that every live searcher has loaded; 0 while one has none or none lives."""
        return min(self.loaded(collection, uid).values(), default=0)

    def loaded(self, collection: str, uid: str) -> dict[str, int]:
        """Manifest version that each live searcher has loaded, 0 for none; by searcher."""
        key = f"{collection}-{uid}"
        return {announced.searcher: announced.manifests.get(key, 0) for announced in self.all()}
