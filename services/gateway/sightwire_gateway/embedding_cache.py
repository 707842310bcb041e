"""Vectors of query texts that were asked before."""

from collections.abc import Awaitable, Callable

from sightwire.cache.filling import NotKept
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
