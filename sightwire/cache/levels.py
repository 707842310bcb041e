"""The cache that callers use: memory above a shared server, with one computation for all who miss together."""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from sightwire.cache.accounting import CacheAccounting, CallCounts, cache_accounting, counts_by_name
from sightwire.cache.filling import Filling, Gap, Outcome, read_envelope
from sightwire.cache.flights import Flights
from sightwire.cache.formats import encode_value
from sightwire.cache.invalidation_log import Invalidation, InvalidationLog
from sightwire.cache.memory_level import MemoryLevel
from sightwire.cache.options import CacheOptions
from sightwire.cache.policies.choosing import create_policy
from sightwire.cache.process_counts import ProcessCounts
from sightwire.ending_tasks import end_tasks
from sightwire.errors import InvalidInputError

if TYPE_CHECKING:
    from sightwire.cache.server_link import ServerLink

DISABLED: Final = "disabled"


@dataclass(frozen=True, slots=True)
class Entry:
    """What `look_up` found."""

    value: Any


class MultiLevelCache:
    """Values by key (see `keys.key_of`), for one event loop. Without `server_url` there is the memory level alone.

    No failure of a level reaches the caller: what cannot be looked up is computed, what cannot be stored is not.

    Example::

        async with MultiLevelCache(CacheOptions(namespace="task-results"), server_url) as cache:
            result = await cache.get_or_compute(key_of("summary", text), compute, tags=("model:7",))
            await cache.delete_by_tags("model:7")
    """

    def __init__(self, options: CacheOptions, server_url: str | None = None) -> None:
        self._options = options
        self._memory = MemoryLevel(options.memory_bytes, create_policy(options.policy, options.memory_bytes))
        self._calls = CallCounts()
        self._flights: Flights[Outcome] = Flights()
        self._invalidations = InvalidationLog()
        self._link = self._link_to(server_url) if server_url is not None else None
        self._filling = Filling(options, self._memory, self._invalidations, self._link)

    async def start(self) -> None:
        """Connects to the server if there is one; returns even if it does not answer yet."""
        if self._link is not None:
            await self._link.start()

    async def close(self) -> None:
        """Cancels computations under way and closes the connections."""
        await end_tasks(*self._flights.tasks)
        if self._link is not None:
            await self._link.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def health(self) -> str:
        """State of the shared level: `healthy`, `disabled` when there is none, or `unhealthy: ` and why."""
        return DISABLED if self._link is None else self._link.health

    async def get(self, key: str, default: Any = None) -> Any:
        """The value of `key`, or `default`."""
        envelope = self._memory.find(key)
        if envelope is None:
            envelope = await self._filling.fetch(key)
        self._calls.count(hit=envelope is not None)
        return default if envelope is None else read_envelope(envelope)

    async def get_or_compute(
        self,
        key: str,
        compute: Callable[[], Awaitable[Any]],
        *,
        ttl_seconds: float | None = None,
        tags: Iterable[str] = (),
    ) -> Any:
        """The value of `key`; if there is none, what `compute` returns, which is then kept.

        Of all who ask at the same time one computes and the others wait for it: in a process until it has ended, across
        processes for `lock_seconds`. Each gets a value of its own, as the format gives it back (tuples as lists). A
        value that the format cannot write is returned as it is and not kept, and so is what `compute` wraps in
        `filling.NotKept`. An error of `compute` reaches every caller of this process that waits for it and is not kept.
        """
        named_tags = _checked_tags(tags)
        lives = self._checked_ttl(ttl_seconds)
        envelope = self._memory.find(key)
        if envelope is not None:
            self._calls.count(hit=True)
            return read_envelope(envelope)
        joins = self._flights.is_under_way(key)
        fetch = partial(self._filling.fetch_or_compute, key, compute, lives, named_tags)
        try:
            outcome = await self._flights.run(key, frozenset(named_tags), fetch)
        except Exception:
            self._calls.count(hit=False, collapsed=joins)
            raise
        self._calls.count(hit=outcome.was_found, collapsed=joins)
        return outcome.read()

    async def look_up(self, key: str, *, tags: Iterable[str] = ()) -> Entry | Gap:
        """The entry of `key`, or the gap to `fill` with what somebody computes elsewhere, however long that takes.

        Nobody waits for it: all who ask meanwhile get gaps of their own.
        """
        named_tags = _checked_tags(tags)
        envelope = self._memory.find(key)
        found = await self._filling.look_up(key, named_tags) if envelope is None else envelope
        self._calls.count(hit=not isinstance(found, Gap))
        return found if isinstance(found, Gap) else Entry(read_envelope(found))

    async def fill(self, gap: Gap, value: object, *, ttl_seconds: float | None = None) -> None:
        """Keeps what was computed since the look-up that gave `gap`, unless it was deleted meanwhile.

        Raises:
            InvalidInputError: the format cannot write the value.
        """
        lives = self._checked_ttl(ttl_seconds)
        await self._filling.fill(gap, encode_value(value, self._options.value_format), lives)

    async def set(self, key: str, value: object, *, ttl_seconds: float | None = None, tags: Iterable[str] = ()) -> None:
        """Keeps a value, in the place of an older one in every process.

        Raises:
            InvalidInputError: the format cannot write the value.
        """
        named_tags = _checked_tags(tags)
        lives = self._checked_ttl(ttl_seconds)
        encoded = encode_value(value, self._options.value_format)
        replaced = Invalidation(keys=frozenset({key}))
        self._forget(replaced)
        was_stored = await self._filling.put(key, encoded, lives, named_tags)
        if not was_stored and self._link is not None:
            # The server may hold an older value, and give it out again once it answers.
            await self._link.invalidate(replaced)

    async def delete(self, *keys: str) -> None:
        """Removes entries from every level of every process. A computation under way elsewhere may bring one back."""
        await self._invalidate(Invalidation(keys=frozenset(keys)))

    async def delete_by_tags(self, *tags: str) -> None:
        """Removes every entry that has one of the tags, in one step, those that are being computed now included.

        On return no process finds them in the server, and this one not in its memory; from the memory of others they go
        when the message arrives. docs/caching.md says what holds while the server is away.
        """
        await self._invalidate(Invalidation(tags=frozenset(_checked_tags(tags))))

    async def clear(self) -> None:
        """Removes every entry of the namespace, in the way of `delete_by_tags`."""
        await self._invalidate(Invalidation(everything=True))

    async def accounting(self) -> CacheAccounting:
        """Counts of all processes, read from the server in one step; of this one alone while there is no server."""
        counts = None if self._link is None else await self._link.report()
        return self.process_accounting() if counts is None else self._accounting(counts, "server")

    def process_accounting(self) -> CacheAccounting:
        """Counts of this process alone."""
        return self._accounting(self._counts(), "process")

    async def _invalidate(self, invalidation: Invalidation) -> None:
        self._forget(invalidation)
        if self._link is not None:
            await self._link.invalidate(invalidation)
            # Once more: what was read from the server before it deleted may have come into memory meanwhile.
            self._forget(invalidation)

    def _forget(self, invalidation: Invalidation) -> None:
        self._invalidations.append(invalidation)
        self._flights.detach(invalidation)
        if invalidation.everything:
            self._memory.clear()
            return
        self._memory.delete(invalidation.keys)
        self._memory.delete_by_tags(invalidation.tags)

    def _link_to(self, server_url: str) -> "ServerLink":
        # Those without a server are spared its library: 8 MB, and a part of the time that a start takes.
        from sightwire.cache.server_client import CacheServerClient
        from sightwire.cache.server_link import ServerLink

        options = self._options
        return ServerLink(
            CacheServerClient(server_url, options.namespace, options.timeout_seconds),
            ProcessCounts(self._counts),
            self._forget,
            options.timeout_seconds,
        )

    def _accounting(self, counts: Mapping[str, int], counted: Literal["server", "process"]) -> CacheAccounting:
        return cache_accounting(
            counts,
            counted=counted,
            size=len(self._memory),
            size_bytes=self._memory.size_bytes,
            health=self.health,
        )

    def _counts(self) -> dict[str, int]:
        return counts_by_name(self._calls, self._memory.counts)

    def _checked_ttl(self, ttl_seconds: float | None) -> float:
        lives = self._options.ttl_seconds if ttl_seconds is None else ttl_seconds
        if not (math.isfinite(lives) and lives > 0):
            raise InvalidInputError(f"an entry lives for more than 0 seconds and not for ever, got {lives!r}")
        return lives


def _checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    # A text is a sequence of texts too; taken for tags it would delete what nobody meant.
    if isinstance(tags, str):
        raise InvalidInputError(f"expected several tags, got the text {tags!r}; write ({tags!r},)")
    named = tuple(sorted(set(tags)))
    if "" in named:
        raise InvalidInputError("a tag has at least one character")
    return named
