"""The caches of the gateway: what they are, how they do together, and their metrics."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from prometheus_client import REGISTRY

from sightwire.cache.accounting import CachesAccounting, summed
from sightwire.cache.levels import DISABLED, MultiLevelCache
from sightwire.cache.metrics import CacheMetrics
from sightwire.cache.server_answers import HEALTHY
from sightwire_gateway import metrics
from sightwire_gateway.settings import GatewaySettings

_EMBEDDINGS: Final = "query-embeddings"
_ANSWERS: Final = "query-answers"
#: An answer is worth more than the wait for another gateway that computes it, and less than that for one that died.
_LOCK_SECONDS: Final = 0.5


class GatewayCaches:
    """Open caches, by name; those that settings switch off are not there."""

    def __init__(self, caches: dict[str, MultiLevelCache]) -> None:
        self._caches = caches

    @property
    def embeddings(self) -> MultiLevelCache | None:
        """Vectors of query texts."""
        return self._caches.get(_EMBEDDINGS)

    @property
    def answers(self) -> MultiLevelCache | None:
        """Answers of indexes."""
        return self._caches.get(_ANSWERS)

    @property
    def health(self) -> str:
        """State of the shared server, as `MultiLevelCache.health` says it."""
        states = {cache.health for cache in self._caches.values()} - {DISABLED}
        return next((state for state in sorted(states) if state != HEALTHY), HEALTHY) if states else DISABLED

    async def accounting(self) -> CachesAccounting:
        """Counts of all caches."""
        return summed({name: await cache.accounting() for name, cache in self._caches.items()})


@asynccontextmanager
async def open_caches(settings: GatewaySettings) -> AsyncIterator[GatewayCaches]:
    """The caches that the settings ask for, until the block ends; a server that does not answer keeps nobody."""
    sizes = {
        _EMBEDDINGS: (settings.gateway_embedding_cache_bytes, settings.gateway_embedding_cache_seconds),
        _ANSWERS: (settings.gateway_query_cache_bytes, settings.gateway_query_cache_seconds),
    }
    async with AsyncExitStack() as stack:
        caches: dict[str, MultiLevelCache] = {}
        for name, (memory_bytes, ttl_seconds) in sizes.items():
            if memory_bytes:
                options = settings.cache_options(
                    name, memory_bytes=memory_bytes, ttl_seconds=ttl_seconds, lock_seconds=_LOCK_SECONDS
                )
                caches[name] = await stack.enter_async_context(MultiLevelCache(options, settings.cache_server_url))
        stack.callback(REGISTRY.unregister, CacheMetrics(caches))
        opened = GatewayCaches(caches)
        metrics.CACHE_SIZE.set_function(lambda: _of_embeddings(opened)[0])
        metrics.CACHE_HIT_RATE.set_function(lambda: _of_embeddings(opened)[1])
        yield opened


def _of_embeddings(caches: GatewayCaches) -> tuple[int, float]:
    """Entries and hit rate."""
    if caches.embeddings is None:
        return 0, 0.0
    counts = caches.embeddings.process_accounting()
    return counts.size, counts.hit_rate
