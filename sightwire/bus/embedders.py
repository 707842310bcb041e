"""Which embedders live and which models they serve: the `embedders` bucket."""

from sightwire.bus.announcements import AnnouncementDirectory, announce, withdraw
from sightwire.bus.connection import Bus
from sightwire.contracts.embedding_models import EmbedderAnnouncement
from sightwire.contracts.streams import EMBEDDERS

ANNOUNCE_SECONDS = EMBEDDERS.ttl / 4


async def announce_embedder(bus: Bus, announcement: EmbedderAnnouncement) -> None:
    """Says what an embedder serves. Must be repeated every `ANNOUNCE_SECONDS`, or the embedder counts as gone.

    Raises:
        UnavailableError: the bus did not confirm it.
    """
    await announce(bus, EMBEDDERS, announcement.embedder, announcement)


async def withdraw_embedder(bus: Bus, embedder: str) -> None:
    """Says that an embedder is leaving, so that nobody waits for it.

    Raises:
        UnavailableError: the bus did not confirm it; the announcement then expires by itself.
    """
    await withdraw(bus, EMBEDDERS, embedder)


class EmbedderDirectory(AnnouncementDirectory[EmbedderAnnouncement]):
    """Live embedders, kept current by a watch. Use as an async context manager."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus, EMBEDDERS, EmbedderAnnouncement)

    def served_everywhere(self, space: str) -> bool:
        """Whether every live embedder serves a space; False while none lives."""
        embedders = self.all()
        return bool(embedders) and all(embedder.serves(space) for embedder in embedders)

    def passing_on_to(self, shadow: str) -> bool:
        """Whether every live embedder passes new items on to a shadow; False while none lives."""
        embedders = self.all()
        return bool(embedders) and all(shadow in embedder.shadows for embedder in embedders)

    def failures(self, space: str) -> dict[str, str]:
        """Why a space cannot be served, by the embedder that tried."""
        return {embedder.embedder: embedder.failed[space] for embedder in self.all() if space in embedder.failed}
