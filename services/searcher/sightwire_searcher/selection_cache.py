"""Filters and text queries that were evaluated already: one selection per segment, deletions, field and filter."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import count

from sightwire.segments.selection import Selection


@dataclass(slots=True)
class _Entry:
    selection: Selection
    bytes: int
    last_used: int


class SelectionCache:
    """Keeps the selections that were used last, up to a number of bytes.

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

    def get(self, key: Hashable, evaluate: Callable[[], Selection]) -> Selection:
        """The selection of `key`, from `evaluate` if it is not kept. Threads that miss at once each evaluate it."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.last_used = next(self._uses)
            return entry.selection
        selection = evaluate()
        self._add(key, selection)
        return selection

    def _add(self, key: Hashable, selection: Selection) -> None:
        size = _full_size(selection)
        if size > self._max_bytes:
            return
        with self._adding:
            replaced = self._entries.pop(key, None)
            self._bytes += size - (replaced.bytes if replaced is not None else 0)
            self._entries[key] = _Entry(selection, size, next(self._uses))
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


def _full_size(selection: Selection) -> int:
    """Bytes with all derived forms, which are made on first use: mask, bits, and row numbers."""
    return selection.total + selection.total // 8 + 8 * selection.count
