"""Filters and text queries that were evaluated already: one selection per segment, deletions, field and filter.

Copies of the vectors that a filter selects are kept beside them, within the same memory.
"""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Protocol, TypeVar

#: Of the memory, for one copy of vectors.
_SHARE_OF_COPY: Final = 8


class Sized(Protocol):
    """What can be kept."""

    @property
    def full_bytes(self) -> int:
        """Memory that it takes, parts that are made on first use included."""
        ...


Kept = TypeVar("Kept", bound=Sized)


@dataclass(slots=True)
class _Entry:
    value: Any
    bytes: int
    last_used: int


class SelectionCache:
    """Keeps what was used last, up to a number of bytes.

    Everything they are made of is immutable, so they never become wrong, only unused. Looking one up takes no lock;
    adding one does.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: dict[Hashable, _Entry] = {}
        self._uses = count()
        self._adding = threading.Lock()
        self._bytes = 0

    def resize(self, max_bytes: int) -> None:
        """Keeps up to another number of bytes from now on."""
        with self._adding:
            self._max_bytes = max_bytes
            if self._bytes > max_bytes:
                self._evict()

    @property
    def resident_bytes(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._entries

    def takes_copy_of(self, size: int) -> bool:
        """Whether a copy of vectors of so many bytes leaves enough memory for others."""
        return size <= self._max_bytes // _SHARE_OF_COPY

    def get(self, key: Hashable, evaluate: Callable[[], Kept]) -> Kept:
        """What `key` stands for, from `evaluate` if it is not kept. Threads that miss at once each evaluate it."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.last_used = next(self._uses)
            kept: Kept = entry.value
            return kept
        value = evaluate()
        self._add(key, value)
        return value

    def _add(self, key: Hashable, value: Sized) -> None:
        size = value.full_bytes
        if size > self._max_bytes:
            return
        with self._adding:
            replaced = self._entries.pop(key, None)
            self._bytes += size - (replaced.bytes if replaced is not None else 0)
            self._entries[key] = _Entry(value, size, next(self._uses))
            if self._bytes > self._max_bytes:
                self._evict()

    def _evict(self) -> None:
        """Drops the least recently used until a tenth is free, so that not every addition has to sort."""
        target = self._max_bytes * 9 // 10
        for key, entry in sorted(self._entries.items(), key=lambda pair: pair[1].last_used):
            if self._bytes <= target:
                return
            del self._entries[key]
            self._bytes -= entry.bytes
