"""LFU in constant time: a list of keys for each number of uses (Shah, Mitra, Matani: An O(1) algorithm for implementing
the LFU cache eviction scheme, 2010). Among those used least, the one goes that was used longest ago."""

from collections import OrderedDict, defaultdict


class LeastFrequentlyUsed:
    """Keys by how often they were used since they came in."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}
        self._keys_by_uses: defaultdict[int, OrderedDict[str, None]] = defaultdict(OrderedDict)
        # May lag below the true least count after removals; `evict` moves it up.
        self._least_uses = 0

    def added(self, key: str, size: int, expires_at: float) -> None:  # noqa: ARG002  of the protocol
        self._uses[key] = 0
        self._keys_by_uses[0][key] = None
        self._least_uses = 0

    def used(self, key: str) -> None:
        uses = self._uses[key]
        self._leave(key, uses)
        self._uses[key] = uses + 1
        self._keys_by_uses[uses + 1][key] = None

    def removed(self, key: str) -> None:
        self._leave(key, self._uses.pop(key))

    def evict(self, incoming: str) -> str:  # noqa: ARG002  of the protocol
        if self._least_uses not in self._keys_by_uses:
            self._least_uses = min(self._keys_by_uses)
        key = next(iter(self._keys_by_uses[self._least_uses]))
        self.removed(key)
        return key

    def _leave(self, key: str, uses: int) -> None:
        keys = self._keys_by_uses[uses]
        del keys[key]
        if not keys:
            del self._keys_by_uses[uses]
