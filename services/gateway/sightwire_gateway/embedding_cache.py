"""Vectors of query texts that were asked before."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sightwire.cache.filling import Gap, NotKept
from sightwire.cache.keys import key_of
from sightwire.cache.levels import MultiLevelCache

#: A vector, float32 little-endian, and the space that it is in.
VectorInSpace = tuple[bytes, str]


class EmbeddingCache:
    """Vectors by space and text. A new model has another space, so that nothing need ever be invalidated.

    Args:
        cache: where they are; None switches it off.
    """

    def __init__(self, cache: MultiLevelCache | None) -> None:
        self._cache = cache

    async def vector(self, space: str, text: str, embed: Callable[[], Awaitable[VectorInSpace]]) -> VectorInSpace:
        """The vector of `text` in `space`: kept from before, or that of `embed`, which is kept if it is in `space`.

        Raises:
            Exception: whatever `embed` raises.
        """
        if self._cache is None:
            return await embed()

        async def compute() -> bytes | NotKept:
            vector, found_space = await embed()
            return vector if found_space == space else NotKept((vector, found_space))

        found: bytes | VectorInSpace = await self._cache.get_or_compute(key_of(space, text), compute)
        return (found, space) if isinstance(found, bytes) else found

    async def vectors(
        self, space: str, texts: Sequence[str], embed: Callable[[Sequence[str]], Awaitable[list[VectorInSpace]]]
    ) -> list[VectorInSpace]:
        """The vectors of distinct `texts`, in their order; those that are not kept are embedded together, and kept.

        Raises:
            Exception: whatever `embed` raises.
        """
        if self._cache is None:
            return await embed(texts)
        entries = await asyncio.gather(*(self._cache.look_up(key_of(space, text)) for text in texts))
        gaps = {text: entry for text, entry in zip(texts, entries, strict=True) if isinstance(entry, Gap)}
        embedded = await embed(list(gaps)) if gaps else []
        fresh = dict(zip(gaps, embedded, strict=True))
        kept = [(gaps[text], vector) for text, (vector, found_space) in fresh.items() if found_space == space]
        await asyncio.gather(*(self._cache.fill(gap, vector) for gap, vector in kept))
        return [
            fresh[text] if isinstance(entry, Gap) else (entry.value, space)
            for text, entry in zip(texts, entries, strict=True)
        ]
