"""Remembers on disk what is being worked on, so that what kills the process is known when it comes again.

How often the bus delivered a message does not tell: it may have been given back again and again while no model for it
was there.
"""

import asyncio
import hashlib
from pathlib import Path


class AttemptLog:
    """Files for attempts that have begun and not ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def begin(self, key: str) -> bool:
        """Notes an attempt; False if one of the same key began and never ended, which is forgotten with this."""
        return await asyncio.to_thread(self._begin, self._path(key))

    async def end(self, key: str) -> None:
        """Forgets an attempt."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    def _begin(self, path: Path) -> bool:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            path.unlink(missing_ok=True)
            return False
        return True

    def _path(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()[:32]
