"""How an entry comes into the levels: from the server, or computed and stored, unless it was invalidated meanwhile."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sightwire.cache import envelopes
from sightwire.cache.formats import decode_value, encode_value
from sightwire.cache.invalidation_log import InvalidationLog
from sightwire.cache.memory_level import MemoryLevel
from sightwire.cache.options import CacheOptions
from sightwire.cache.server_answers import Found, Missed
from sightwire.errors import CorruptDataError, InvalidInputError

if TYPE_CHECKING:
    from sightwire.cache.server_link import ServerLink

log = logging.getLogger(__name__)

#: Larger values are compressed and decompressed in a thread, so that the event loop goes on.
_THREAD_FROM_BYTES: Final = 256 * 1024
_FIRST_WAIT_SECONDS: Final = 0.01
_LONGEST_WAIT_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a look-up that memory could not answer."""

    was_found: bool
    #: None for a value that the format cannot write: then `value` holds it.
    envelope: bytes | None
    value: Any = None

    def read(self) -> Any:
        """The value for one caller, who may change it."""
        return self.value if self.envelope is None else read_envelope(self.envelope)


@dataclass(frozen=True, slots=True)
class NotKept:
    """What a computation returns for those who wait for it now, and for nobody after them."""

    value: Any


@dataclass(frozen=True, slots=True)
class Gap:
    """That there was no entry at a time; `MultiLevelCache.fill` tells by it whether what came since may be kept."""

    key: str
    tags: tuple[str, ...]
    position: int
    missed: Missed | None


def read_envelope(envelope: bytes) -> Any:
    """The value in an envelope."""
    return decode_value(*envelopes.unpack(envelope))


class Filling:
    """Brings entries into memory and the server. `link` is None when there is no server."""

    def __init__(
        self, options: CacheOptions, memory: MemoryLevel, invalidations: InvalidationLog, link: "ServerLink | None"
    ) -> None:
        self._options = options
        self._memory = memory
        self._invalidations = invalidations
        self._link = link

    async def fetch(self, key: str) -> bytes | None:
        """The envelope that the server has for `key`, which from now on is in memory too."""
        position = self._invalidations.position
        found = await self._link.look_up(key) if self._link is not None else None
        return await self._take(key, found, position) if isinstance(found, Found) else None

    async def look_up(self, key: str, tags: tuple[str, ...]) -> bytes | Gap:
        """The envelope as `fetch` gives it, else the gap that an entry with these tags may fill."""
        position = self._invalidations.position
        found = await self._link.look_up(key, tags) if self._link is not None else None
        if isinstance(found, Found):
            envelope = await self._take(key, found, position)
            if envelope is not None:
                return envelope
        return Gap(key, tags, position, found if isinstance(found, Missed) else None)

    async def fill(self, gap: Gap, encoded: bytes, ttl_seconds: float) -> None:
        """Stores what was computed since, unless it was invalidated meanwhile."""
        await self._store_computed(gap, encoded, ttl_seconds)

    async def fetch_or_compute(
        self, key: str, compute: Callable[[], Awaitable[Any]], ttl_seconds: float, tags: tuple[str, ...]
    ) -> Outcome:
        """The server's entry, else the result of `compute`, which is then stored in both levels."""
        position = self._invalidations.position
        found = await self._look_up_or_wait(key, tags)
        if isinstance(found, Found):
            envelope = await self._take(key, found, position)
            if envelope is not None:
                return Outcome(was_found=True, envelope=envelope)
            found = await self._look_up_or_wait(key, tags, counted=False)
        missed = found if isinstance(found, Missed) else None
        try:
            value = await compute()
        except BaseException:
            await self._release(key, missed)
            raise
        if isinstance(value, NotKept):
            await self._release(key, missed)
            return Outcome(was_found=False, envelope=None, value=value.value)
        try:
            encoded = encode_value(value, self._options.value_format)
        except InvalidInputError as error:
            log.warning("a result is returned but not cached: %s", error.detail)
            await self._release(key, missed)
            return Outcome(was_found=False, envelope=None, value=value)
        envelope = await self._store_computed(Gap(key, tags, position, missed), encoded, ttl_seconds)
        return Outcome(was_found=False, envelope=envelope)

    async def put(self, key: str, encoded: bytes, ttl_seconds: float, tags: tuple[str, ...]) -> bool:
        """Stores a value whatever was there; False when there is a server and it did not take it."""
        position = self._invalidations.position
        stored = await self._store(key, encoded, ttl_seconds, tags, None)
        envelope = envelopes.pack(encoded, self._options.value_format, "none", 0)
        self._keep(key, envelope, ttl_seconds, tags, position)
        return stored is True or self._link is None

    async def _store_computed(self, gap: Gap, encoded: bytes, ttl_seconds: float) -> bytes:
        # Without the tags' state from before the computation, the server could not tell whether it is still good.
        stored: bool | None = None
        if gap.missed is not None:
            stored = await self._store(gap.key, encoded, ttl_seconds, gap.tags, gap.missed)
        envelope = envelopes.pack(encoded, self._options.value_format, "none", 0)
        if stored is not False:
            self._keep(gap.key, envelope, ttl_seconds, gap.tags, gap.position)
        return envelope

    async def _look_up_or_wait(self, key: str, tags: tuple[str, ...], *, counted: bool = True) -> Found | Missed | None:
        """What the server has; while another process computes it, waits for that one as long as the lock lives."""
        if self._link is None:
            return None
        lock_ms = max(1, round(self._options.lock_seconds * 1000))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.lock_seconds
        pause = _FIRST_WAIT_SECONDS
        while True:
            found = await self._link.look_up(key, tags, lock_ms=lock_ms, counted=counted)
            if not isinstance(found, Missed) or found.has_lock or loop.time() >= deadline:
                return found
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_WAIT_SECONDS)
            counted = False

    async def _take(self, key: str, found: Found, position: int) -> bytes | None:
        """The envelope as memory keeps it; None for one that cannot be read, which is deleted."""
        try:
            if len(found.envelope) >= _THREAD_FROM_BYTES:
                envelope = await asyncio.to_thread(_checked, found.envelope)
            else:
                envelope = _checked(found.envelope)
        except CorruptDataError as error:
            log.warning("an entry of the cache server is deleted: %s", error.detail)
            if self._link is not None:
                await self._link.discard(key)
            return None
        self._keep(key, envelope, found.seconds_left, tuple(found.tags), position)
        return envelope

    async def _store(
        self, key: str, encoded: bytes, ttl_seconds: float, tags: tuple[str, ...], missed: Missed | None
    ) -> bool | None:
        if self._link is None:
            return None
        if len(encoded) > envelopes.MAX_VALUE_BYTES:
            log.warning("a result of %d bytes is too large for the cache server", len(encoded))
            await self._release(key, missed)
            return None
        options = self._options
        arguments = (encoded, options.value_format, options.compression, options.compress_above_bytes)
        if len(encoded) >= _THREAD_FROM_BYTES:
            envelope = await asyncio.to_thread(envelopes.pack, *arguments)
        else:
            envelope = envelopes.pack(*arguments)
        return await self._link.store(key, envelope, ttl_seconds, tags, missed)

    async def _release(self, key: str, missed: Missed | None) -> None:
        if self._link is not None and missed is not None and missed.has_lock:
            await self._link.release(key, missed)

    def _keep(self, key: str, envelope: bytes, ttl_seconds: float, tags: tuple[str, ...], position: int) -> None:
        if self._invalidations.concerned_since(position, key, tags):
            return
        if self._link is not None:
            ttl_seconds = min(ttl_seconds, self._options.memory_ttl_seconds)
        self._memory.keep(key, envelope, ttl_seconds, tags)


def _checked(envelope: bytes) -> bytes:
    plain = envelopes.uncompressed(envelope)
    read_envelope(plain)
    return plain
