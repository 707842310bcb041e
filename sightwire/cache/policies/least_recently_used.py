"""LRU: the entry goes that was not asked for the longest."""

from collections import OrderedDict


class LeastRecentlyUsed:
    """One list of keys, from the least to the most recently used."""

    def __init__(self) -> None:
        self._order: OrderedDict[str, None] = OrderedDict()

    def added(self, key: str, size: int, expires_at: float) -> None:  # noqa: ARG002  of the protocol
        self._order[key] = None

    def used(self, key: str) -> None:
        self._order.move_to_end(key)

    def removed(self, key: str) -> None:
        del self._order[key]

    def evict(self, incoming: str) -> str:  # noqa: ARG002  of the protocol
        return self._order.popitem(last=False)[0]
