"""Brings collections onto the board that a call asks for before they are there, from the threads of calls."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Final

from sightwire.errors import UnavailableError
from sightwire_searcher.snapshot import Snapshot

#: Loads a collection in the event loop; None if that fails; raises UnknownCollectionError if there is none.
LoadCollection = Callable[[str], Awaitable[Snapshot | None]]

_LOAD_SECONDS: Final = 10.0
#: Enough for a collection that was created just now, too short for one that cannot be loaded to occupy all threads.
_BRIEF_SECONDS: Final = 0.25


class FirstLoads:
    """Waits in the thread of a call for what the event loop loads. Make it in that loop.

    Args:
        patient_threads: how many threads may wait as long as a load can take; others wait only briefly.
    """

    def __init__(self, load: LoadCollection, *, patient_threads: int) -> None:
        self._load = load
        self._loop = asyncio.get_running_loop()
        self._patience = threading.Semaphore(patient_threads)

    def snapshot(self, collection: str) -> Snapshot:
        """The newest snapshot of a collection.

        Raises:
            UnknownCollectionError: there is no such collection.
            UnavailableError: it cannot be loaded at the moment, or not as soon as that.
        """
        is_patient = self._patience.acquire(blocking=False)
        try:
            snapshot = self._loaded(collection, _LOAD_SECONDS if is_patient else _BRIEF_SECONDS)
        finally:
            if is_patient:
                self._patience.release()
        if snapshot is None:
            raise UnavailableError(f"collection {collection!r} cannot be loaded at the moment; try again")
        return snapshot

    def _loaded(self, collection: str, seconds: float) -> Snapshot | None:
        async def load() -> Snapshot | None:
            async with asyncio.timeout(seconds):
                return await self._load(collection)

        try:
            return asyncio.run_coroutine_threadsafe(load(), self._loop).result()
        except TimeoutError:
            return None
