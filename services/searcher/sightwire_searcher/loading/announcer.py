"""Tells the platform what this searcher has loaded, after every change and again before the word expires."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from sightwire.contracts.events import SearcherAnnouncement
from sightwire.errors import UnavailableError

logger = logging.getLogger(__name__)


class Announcer:
    """Announces `manifests()` in the background.

    Args:
        announce: puts an announcement into the registry.
        manifests: manifest version by `<collection>-<uid>`; None while the searcher must not be counted on yet.
        interval: seconds after which an announcement is repeated.
    """

    def __init__(
        self,
        announce: Callable[[SearcherAnnouncement], Awaitable[None]],
        manifests: Callable[[], Mapping[str, int] | None],
        *,
        searcher: str,
        address: str,
        interval: float,
    ) -> None:
        self._announce = announce
        self._manifests = manifests
        self._searcher = searcher
        self._address = address
        self._interval = interval
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Something was loaded or dropped: announce it now."""
        self._changed.set()

    async def run(self) -> None:
        """Announces until cancelled."""
        while True:
            self._changed.clear()
            manifests = self._manifests()
            if manifests is not None:
                await self._announce_once(manifests)
            try:
                async with asyncio.timeout(self._interval):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _announce_once(self, manifests: Mapping[str, int]) -> None:
        announcement = SearcherAnnouncement(searcher=self._searcher, address=self._address, manifests=dict(manifests))
        try:
            await self._announce(announcement)
        except UnavailableError as error:
            logger.warning("cannot announce what is loaded", extra={"error": error.detail})
