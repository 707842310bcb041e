"""The scripts of `server_scripts` as typed calls, in the keys of one namespace. Errors are the client library's."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sightwire.cache import server_scripts
from sightwire.cache.invalidation_log import Invalidation
from sightwire.cache.server_answers import Found, Missed
from sightwire.errors import ConfigurationError

#: A tag lives at least so long past the entries that it holds, or past the look-up that began a computation.
TAG_SPARE_MS: Final = 3_600_000
#: Every entry has this tag beside its own, so that all can be deleted in one step.
EVERYTHING_TAG: Final = ""
_REPORT_REMEMBERED_MS: Final = 24 * 3_600_000
#: So many look-ups and stores may be under way at once; beside them go a subscription, invalidations and reports.
MAX_CALLS: Final = 32
_MAX_CONNECTIONS: Final = MAX_CALLS + 8


class CacheServerClient:
    """One namespace of a Redis or Valkey server (6 or newer)."""

    def __init__(self, url: str, namespace: str, timeout_seconds: float) -> None:
        # Braces: the namespace alone says where in a cluster its keys are.
        prefix = f"sightwire:cache:{{{namespace}}}:"
        self.process_id = secrets.token_hex(8)
        self.channel = f"{prefix}gone"
        self._entry_prefix = f"{prefix}e:"
        self._lock_prefix = f"{prefix}l:"
        self._tag_prefix = f"{prefix}t:"
        self._counts_key = f"{prefix}counts"
        self._report_key = f"{prefix}r:{self.process_id}"
        # No retries: whoever calls goes on without the server, and a subscription must not come back unnoticed.
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=_MAX_CONNECTIONS,
                timeout=timeout_seconds,
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
                retry=Retry(NoBackoff(), 0),
                client_name="sightwire-cache",
                protocol=2,
            )
        except ValueError as error:
            raise ConfigurationError(f"the cache server's URL is like redis://host:6379/0, but: {error}") from None
        self._redis: Redis = Redis.from_pool(pool)
        register = self._redis.register_script
        self._look_up = register(server_scripts.LOOK_UP)
        self._store = register(server_scripts.STORE)
        self._release = register(server_scripts.RELEASE)
        self._invalidate = register(server_scripts.INVALIDATE)
        self._report = register(server_scripts.REPORT)

    async def look_up(self, key: str, tags: Sequence[str], *, lock_ms: int, counted: bool) -> Found | Missed:
        """The entry of `key`; a positive `lock_ms` asks for the right to compute it when there is none."""
        token = secrets.token_hex(8)
        reply: list[Any] = await self._look_up(
            keys=self._keys(key, tags),
            args=[
                self._tag_prefix,
                int(counted),
                token if lock_ms > 0 else "",
                lock_ms,
                secrets.token_hex(8),
                TAG_SPARE_MS,
            ],
        )
        if reply[0] == 1:
            found_tags = frozenset(tag.decode() for tag in reply[3:]) - {EVERYTHING_TAG}
            return Found(reply[1], reply[2] / 1000, found_tags)
        return Missed(bool(reply[1]), token, tuple(reply[2:]))

    async def store(
        self, key: str, envelope: bytes, ttl_seconds: float, tags: Sequence[str], missed: Missed | None
    ) -> bool:
        """Stores an entry; False when it was computed (since `missed`) from before one of its tags was deleted."""
        names = (EVERYTHING_TAG, *tags)
        nonces: Sequence[bytes] = missed.nonces if missed is not None else (b"",) * len(names)
        reply = await self._store(
            keys=self._keys(key, tags),
            args=[
                envelope,
                max(1, round(ttl_seconds * 1000)),
                missed.token if missed is not None else "",
                secrets.token_hex(8),
                TAG_SPARE_MS,
                self.channel,
                self._message(Invalidation(keys=frozenset({key}))),
                *(part for pair in zip(names, nonces, strict=True) for part in pair),
            ],
        )
        return bool(reply)

    async def release(self, key: str, token: str) -> None:
        """Gives up the right to compute `key`."""
        await self._release(keys=[self._lock_prefix + key], args=[token])

    async def invalidate(self, invalidation: Invalidation) -> None:
        """Deletes entries and tells every process."""
        tags = {EVERYTHING_TAG} if invalidation.everything else invalidation.tags
        await self._invalidate(
            keys=[
                self._counts_key,
                *(self._entry_prefix + key for key in invalidation.keys),
                *(self._tag_prefix + tag for tag in tags),
            ],
            args=[self.channel, self._message(invalidation)],
        )

    async def discard(self, key: str) -> None:
        """Deletes an entry that cannot be read."""
        await self._redis.delete(self._entry_prefix + key)

    async def report(self, number: int, increments: Mapping[str, int]) -> dict[str, int]:
        """Adds the increments of report `number` unless it came before; the counts of all processes after it."""
        reply: list[bytes] = await self._report(
            keys=[self._counts_key, self._report_key],
            args=[number, _REPORT_REMEMBERED_MS, *(part for pair in increments.items() for part in pair)],
        )
        return {name.decode(): int(count) for name, count in zip(reply[::2], reply[1::2], strict=True)}

    async def drop_idle_connections(self) -> None:
        """Closes those that no call uses; after a server has died each of them would fail the call that takes it."""
        await self._redis.connection_pool.disconnect(inuse_connections=False)

    def subscription(self) -> PubSub:
        """A connection for invalidations that is not subscribed yet; the caller closes it."""
        return self._redis.pubsub()

    def invalidation_of(self, message: bytes) -> Invalidation | None:
        """What a message says, or None for one that this process sent.

        Raises:
            ValueError: the message is not one of this cache's.
        """
        content = orjson.loads(message)
        if not isinstance(content, dict) or not {"from", "keys", "tags", "all"} <= content.keys():
            raise ValueError(f"expected an object with from, keys, tags and all, got {message[:100]!r}")
        if not all(isinstance(name, str) for name in (*content["keys"], *content["tags"])):
            raise ValueError(f"expected names of keys and tags, got {message[:100]!r}")
        if content["from"] == self.process_id:
            return None
        return Invalidation(frozenset(content["keys"]), frozenset(content["tags"]), everything=bool(content["all"]))

    async def close(self) -> None:
        """Closes every connection."""
        await self._redis.aclose(close_connection_pool=True)

    def _keys(self, key: str, tags: Sequence[str]) -> list[str]:
        return [
            self._entry_prefix + key,
            self._lock_prefix + key,
            self._counts_key,
            *(self._tag_prefix + tag for tag in (EVERYTHING_TAG, *tags)),
        ]

    def _message(self, invalidation: Invalidation) -> bytes:
        return orjson.dumps(
            {
                "from": self.process_id,
                "keys": list(invalidation.keys),
                "tags": list(invalidation.tags),
                "all": invalidation.everything,
            }
        )
