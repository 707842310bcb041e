"""Copies of a remote store's segments on this machine: how much room they may take, and which go to make some."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sightwire.byte_sizes import bytes_text
from sightwire.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class SegmentCopy:
    """A copy of a segment, as it lies in the cache folder."""

    folder: Path
    bytes: int
    modified_at: float


class CopyRoom:
    """Room for copies; belongs to the event loop.

    Args:
        cache: folder of this searcher alone.
        limit: bytes that all copies together may take; None for what the disk has.
    """

    def __init__(self, cache: Path, *, limit: int | None) -> None:
        self._cache = cache
        self._limit = limit
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def reserved(self, needed: int, in_use: Callable[[], Collection[Path]]) -> AsyncIterator[None]:
        """Room for a copy of `needed` bytes, until it is open; copies that nobody uses go for it.

        Args:
            in_use: folders of segments that are open.

        Raises:
            UnavailableError: those that are open leave too little.
        """
        if self._limit is None:
            yield
            return
        # One after the other: what is being fetched is not among the copies yet.
        async with self._turn:
            copies = await asyncio.to_thread(_copies_below, self._cache)
            going = copies_to_remove(copies, needed, limit=self._limit, in_use=in_use())
            if going is None:
                raise UnavailableError(
                    f"a copy of a segment needs {bytes_text(needed)}, but open segments leave less of the "
                    f"{bytes_text(self._limit)} that SIGHTWIRE_SEARCHER_CACHE_BYTES allows; raise it to twice what "
                    "the collections' indexes take"
                )
            await asyncio.to_thread(_remove, going)
            yield


def copies_to_remove(
    copies: Iterable[SegmentCopy], needed: int, *, limit: int, in_use: Collection[Path]
) -> list[SegmentCopy] | None:
    """Which copies have to go, the oldest first, before one of `needed` bytes fits; None if it never does."""
    oldest_first = sorted(copies, key=lambda copy: copy.modified_at)
    surplus = sum(copy.bytes for copy in oldest_first) + needed - limit
    going: list[SegmentCopy] = []
    for copy in oldest_first:
        if surplus <= 0:
            break
        if copy.folder not in in_use:
            going.append(copy)
            surplus -= copy.bytes
    return going if surplus <= 0 else None


def _copies_below(cache: Path) -> list[SegmentCopy]:
    copies: list[SegmentCopy] = []
    for folder in cache.glob("*/*/*/*"):
        try:
            size = sum(file.stat().st_size for file in folder.iterdir())
            copies.append(SegmentCopy(folder, size, folder.stat().st_mtime))
        except FileNotFoundError:
            # Another collection needs it no more.
            continue
    return copies


def _remove(copies: Iterable[SegmentCopy]) -> None:
    for copy in copies:
        shutil.rmtree(copy.folder, ignore_errors=True)
