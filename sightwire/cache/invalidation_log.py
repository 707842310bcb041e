"""What was invalidated lately, so that a value read or computed before does not come in after."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Invalidation:
    """Entries that are gone: those of `keys`, those with any of `tags`, or all."""

    keys: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    everything: bool = False

    def concerns(self, key: str, tags: Iterable[str]) -> bool:
        """Whether an entry is among them."""
        return self.everything or key in self.keys or not self.tags.isdisjoint(tags)


class InvalidationLog:
    """Numbers invalidations; whoever starts to read remembers `position` and asks at the end what came since."""

    def __init__(self) -> None:
        self.position = 0
        self._latest: deque[Invalidation] = deque(maxlen=_REMEMBERED)

    def append(self, invalidation: Invalidation) -> None:
        """Notes that entries are gone from now on."""
        self.position += 1
        self._latest.append(invalidation)

    def concerned_since(self, position: int, key: str, tags: Iterable[str]) -> bool:
        """Whether an entry was invalidated after `position`; yes as well when that is too long ago to be known."""
        count = self.position - position
        if count > len(self._latest):
            return True
        tags = frozenset(tags)
        return any(self._latest[-back].concerns(key, tags) for back in range(1, count + 1))
