"""TTL: the entry goes that would be the first to expire."""

import heapq
from typing import Final

#: Entries of the heap that were removed stay in it until they come up, or until they are most of it.
_REBUILD_FROM: Final = 64


class SoonestExpiry:
    """A heap of expiry times, with removed entries left in it until they come up."""

    def __init__(self) -> None:
        self._expires_at: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def added(self, key: str, size: int, expires_at: float) -> None:  # noqa: ARG002  of the protocol
        self._expires_at[key] = expires_at
        heapq.heappush(self._heap, (expires_at, key))

    def used(self, key: str) -> None:
        """Being asked for does not make an entry live longer."""

    def removed(self, key: str) -> None:
        del self._expires_at[key]
        if len(self._heap) > _REBUILD_FROM and len(self._heap) > 2 * len(self._expires_at):
            self._heap = [(expires_at, key) for key, expires_at in self._expires_at.items()]
            heapq.heapify(self._heap)

    def evict(self, incoming: str) -> str:  # noqa: ARG002  of the protocol
        while True:
            expires_at, key = heapq.heappop(self._heap)
            if self._expires_at.get(key) == expires_at:
                del self._expires_at[key]
                return key
