"""The first level: encoded values in this process's memory, bounded in bytes."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from sightwire.cache.policies.policy import EvictionPolicy

#: What an entry takes beside its value and key, by measure of the dicts that hold it; its tags' names are shared.
ENTRY_OVERHEAD_BYTES: Final = 650


@dataclass(slots=True)
class MemoryCounts:
    """What happened at the memory level; `lookups` is counted apart from its outcome, so that it can tell on them."""

    lookups: int = 0
    hits: int = 0
    misses: int = 0
    sets: int = 0
    evictions: int = 0
    expirations: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    value: bytes
    tags: frozenset[str]
    expires_at: float
    size: int


class MemoryLevel:
    """Belongs to one event loop: every method returns without awaiting, so that no other task sees it half changed."""

    def __init__(self, max_bytes: int, policy: EvictionPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts = MemoryCounts()
        self._max_bytes = max_bytes
        self._policy = policy
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._keys_by_tag: dict[str, set[str]] = {}
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """Bytes that the entries take, never more than the bound."""
        return self._size_bytes

    def find(self, key: str) -> bytes | None:
        """The value of `key` if it is here and has not expired; counted as one look-up."""
        self.counts.lookups += 1
        entry = self._entries.get(key)
        if entry is not None and entry.expires_at <= self._clock():
            self._remove(key)
            self.counts.expirations += 1
            entry = None
        if entry is None:
            self.counts.misses += 1
            return None
        self.counts.hits += 1
        self._policy.used(key)
        return entry.value

    def keep(self, key: str, value: bytes, ttl_seconds: float, tags: Iterable[str] = ()) -> None:
        """Puts a value in, in the place of an older one; others go to make room. One too large for the level stays out.

        `key` is ASCII.
        """
        if key in self._entries:
            self._remove(key)
        size = len(value) + len(key) + ENTRY_OVERHEAD_BYTES
        if size > self._max_bytes or ttl_seconds <= 0:
            return
        while self._size_bytes + size > self._max_bytes:
            self._forget(self._policy.evict(key))
            self.counts.evictions += 1
        entry = _Entry(value, frozenset(tags), self._clock() + ttl_seconds, size)
        self._entries[key] = entry
        self._size_bytes += size
        for tag in entry.tags:
            self._keys_by_tag.setdefault(tag, set()).add(key)
        self._policy.added(key, size, entry.expires_at)
        self.counts.sets += 1

    def delete(self, keys: Iterable[str]) -> None:
        """Removes entries; keys that are not here are passed over."""
        for key in keys:
            if key in self._entries:
                self._remove(key)

    def delete_by_tags(self, tags: Iterable[str]) -> None:
        """Removes every entry that has one of the tags."""
        for tag in tags:
            self.delete(tuple(self._keys_by_tag.get(tag, ())))

    def clear(self) -> None:
        """Removes every entry."""
        self.delete(tuple(self._entries))

    def _remove(self, key: str) -> None:
        self._policy.removed(key)
        self._forget(key)

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key)
        self._size_bytes -= entry.size
        for tag in entry.tags:
            keys = self._keys_by_tag[tag]
            keys.discard(key)
            if not keys:
                del self._keys_by_tag[tag]
