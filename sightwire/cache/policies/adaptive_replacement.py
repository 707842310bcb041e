"""ARC: keeps the recent and the frequent apart, and learns how much room each deserves.

Megiddo, Modha: ARC: A Self-Tuning, Low Overhead Replacement Cache, FAST 2003. Its pages are of one size; here every
entry weighs its bytes, so that sums of sizes stand wherever the paper counts pages. And room is made before the target
moves rather than after, since one newcomer may need the room of several.
"""

from collections import OrderedDict


class _WeighedList:
    """Keys from the least to the most recently used, with the sum of their sizes."""

    def __init__(self) -> None:
        self.sizes: OrderedDict[str, int] = OrderedDict()
        self.total = 0

    def __contains__(self, key: str) -> bool:
        return key in self.sizes

    def append(self, key: str, size: int) -> None:
        self.sizes[key] = size
        self.total += size

    def remove(self, key: str) -> int:
        size = self.sizes.pop(key)
        self.total -= size
        return size

    def pop_oldest(self) -> tuple[str, int]:
        key, size = self.sizes.popitem(last=False)
        self.total -= size
        return key, size


class AdaptiveReplacement:
    """Four lists: entries seen once lately and more than once, and of each the keys of those that went last."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._once = _WeighedList()
        self._again = _WeighedList()
        self._gone_once = _WeighedList()
        self._gone_again = _WeighedList()
        #: Bytes that entries seen once should have; the paper's p.
        self._target_once = 0.0

    def added(self, key: str, size: int, expires_at: float) -> None:  # noqa: ARG002  of the protocol
        if key in self._gone_once:
            self._learn(self._gone_once, self._gone_again, key, size)
            self._again.append(key, size)
        elif key in self._gone_again:
            self._learn(self._gone_again, self._gone_once, key, -size)
            self._again.append(key, size)
        else:
            self._once.append(key, size)
        self._forget_gone()

    def used(self, key: str) -> None:
        holder = self._once if key in self._once else self._again
        self._again.append(key, holder.remove(key))

    def removed(self, key: str) -> None:
        (self._once if key in self._once else self._again).remove(key)

    def evict(self, incoming: str) -> str:
        once_has_too_much = self._once.total > self._target_once or (
            incoming in self._gone_again and self._once.total >= self._target_once
        )
        if self._once.sizes and (once_has_too_much or not self._again.sizes):
            key, size = self._once.pop_oldest()
            self._gone_once.append(key, size)
        else:
            key, size = self._again.pop_oldest()
            self._gone_again.append(key, size)
        return key

    def _learn(self, ghosts: _WeighedList, other_ghosts: _WeighedList, key: str, size: int) -> None:
        """An entry that went comes again: the list that it went from had too little room."""
        step = size * max(1.0, other_ghosts.total / ghosts.total)
        self._target_once = min(float(self._max_bytes), max(0.0, self._target_once + step))
        ghosts.remove(key)

    def _forget_gone(self) -> None:
        """The paper's bounds: what was seen once, gone or here, fits the cache; all four lists fit it twice."""
        while self._gone_once.sizes and self._once.total + self._gone_once.total > self._max_bytes:
            self._gone_once.pop_oldest()
        lists = (self._once, self._again, self._gone_once, self._gone_again)
        while self._gone_again.sizes and sum(each.total for each in lists) > 2 * self._max_bytes:
            self._gone_again.pop_oldest()
