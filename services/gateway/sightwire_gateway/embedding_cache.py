"""Vectors of query texts that were asked before, least recently used first out."""

from collections import OrderedDict

from sightwire_gateway import metrics


class EmbeddingCache:
    """Vectors by space and text. A new model has another space, so that nothing need ever be invalidated."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._vectors: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._hits = 0
        self._lookups = 0

    def resize(self, max_entries: int) -> None:
        """Keeps up to another number of vectors from now on."""
        self._max_entries = max_entries
        self._forget_excess()

    def find(self, space: str, text: str) -> bytes | None:
        """The vector of `text`, float32 little-endian, or None."""
        vector = self._vectors.get((space, text))
        self._lookups += 1
        if vector is not None:
            self._hits += 1
            self._vectors.move_to_end((space, text))
        metrics.CACHE_LOOKUPS.labels("hit" if vector is not None else "miss").inc()
        metrics.CACHE_HIT_RATE.set(self._hits / self._lookups)
        return vector

    def keep(self, space: str, text: str, vector: bytes) -> None:
        """Remembers a vector; forgets the one that was not asked for the longest."""
        if self._max_entries == 0:
            return
        self._vectors[space, text] = vector
        self._vectors.move_to_end((space, text))
        self._forget_excess()

    def _forget_excess(self) -> None:
        while len(self._vectors) > self._max_entries:
            self._vectors.popitem(last=False)
        metrics.CACHE_SIZE.set(len(self._vectors))
