"""Makes another generation of a collection live, and goes back by itself if the searchers do not follow."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from sightwire.segments.generations import GenerationState
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.manifest import Manifest
from sightwire.segments.open_generations import OpenGeneration
from sightwire_indexer.following import Followers, Following
from sightwire_indexer.retrying import Retrying

logger = logging.getLogger(__name__)

#: How long searchers have to load a generation that became live.
DEFAULT_FOLLOW_SECONDS: Final = 30.0
#: However late the last of them loaded it, each is asked.
_MIN_VERIFY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class SwitchReport:
    """How a switch ended: `name` is live, or `left` is again because the searchers `behind` did not follow."""

    left: str
    name: str
    #: Version of the manifest that is live now.
    manifest_version: int
    #: Why it went back, by searcher.
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def behind(self) -> tuple[str, ...]:
        """Searchers that did not load it, or do not answer as they should."""
        return tuple(self.reasons)

    @property
    def succeeded(self) -> bool:
        return not self.reasons


class Verify(Protocol):
    """Asks the searchers whether they serve what became live; see `Deployed.verify`."""

    async def __call__(self, live: OpenGeneration, *, seconds: float) -> dict[str, str]: ...


class Switcher:
    """Switches of one collection. Nothing else may write while one runs; the caller takes turns.

    Args:
        verify: called once all searchers say that they have loaded a generation.
        require_ownership: raises if another indexer may own the collection.
        safe_version: version up to which no change can arrive any more.
        announce: tells searchers of the newest manifest.
    """

    def __init__(
        self,
        writer: IndexWriter,
        followers: Followers,
        retrying: Retrying,
        *,
        verify: Verify,
        require_ownership: Callable[[], None],
        safe_version: Callable[[], int],
        announce: Callable[[], Awaitable[None]],
    ) -> None:
        self._writer = writer
        self._followers = followers
        self._retrying = retrying
        self._verify = verify
        self._require_ownership = require_ownership
        self._safe_version = safe_version
        self._announce = announce

    async def switch(self, name: str, *, carry_over: bool, follow_seconds: float) -> SwitchReport:
        """See `CollectionIndexer.switch`."""
        left = self._writer.manifest.generation
        live = await self._make_live(name, carry_over=carry_over, leave_as=GenerationState.KEPT)
        # Nothing is committed meanwhile, so what was left stays complete.
        return await self._stay_or_go_back(left, live, follow_seconds, carry_back=False)

    async def confirm(self, left: str, *, follow_seconds: float) -> SwitchReport:
        """Asks the searchers about the generation that is live, and goes back to `left` as `switch` does.

        For a switch whose process ended before it had asked them.
        """
        return await self._stay_or_go_back(left, self._writer.manifest, follow_seconds, carry_back=True)

    async def _stay_or_go_back(
        self, left: str, live: Manifest, follow_seconds: float, *, carry_back: bool
    ) -> SwitchReport:
        reasons = await self._reasons_against(live, follow_seconds)
        if not reasons:
            return SwitchReport(left, live.generation, live.version)
        logger.error(
            "searchers did not follow a switch; going back",
            extra={"collection": live.collection, "generation": live.generation, "reasons": reasons},
        )
        back = await self._make_live(left, carry_over=carry_back, leave_as=GenerationState.FAILED)
        return SwitchReport(left, live.generation, back.version, reasons)

    async def _reasons_against(self, live: Manifest, seconds: float) -> dict[str, str]:
        """Why what has become live must not stay so, by searcher."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        verdict = await self._followers.follow(live.version, seconds=seconds)
        if verdict.following is not Following.COMPLETE:
            return dict.fromkeys(verdict.behind, f"did not load manifest version {live.version} in {seconds:g} s")
        try:
            return await self._verify(self._writer.live, seconds=max(deadline - loop.time(), _MIN_VERIFY_SECONDS))
        except Exception as error:
            # Whatever it was, nobody knows that the searchers serve it.
            logger.exception("a switch could not be verified", extra={"collection": live.collection})
            return {"indexer": f"could not ask the searchers: {error!r}"}

    async def _make_live(self, name: str, *, carry_over: bool, leave_as: GenerationState) -> Manifest:
        async def switch() -> Manifest:
            self._require_ownership()
            return await self._writer.switch(
                name, carry_over=carry_over, leave_as=leave_as, forgotten_up_to=self._safe_version()
            )

        manifest = await self._retrying.until_available(switch, "switch generations")
        await self._announce()
        return manifest
