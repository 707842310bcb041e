"""Caches in Prometheus' metrics: what each process counted, which Prometheus adds up itself."""

from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sightwire.cache.levels import DISABLED, MultiLevelCache
from sightwire.cache.server_answers import HEALTHY


class CacheMetrics(Collector):
    """`sightwire_cache_*{cache}` of this process, read from the caches' own counts whenever somebody asks."""

    def __init__(self, caches: dict[str, MultiLevelCache], registry: CollectorRegistry = REGISTRY) -> None:
        self._caches = caches
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        lookups = CounterMetricFamily(
            "sightwire_cache_lookups", "Look-ups by outcome", labels=["cache", "level", "result"]
        )
        collapsed = CounterMetricFamily(
            "sightwire_cache_collapsed", "Look-ups that waited for a computation under way", labels=["cache"]
        )
        evictions = CounterMetricFamily(
            "sightwire_cache_evictions", "Entries that left memory for room", labels=["cache"]
        )
        entries = GaugeMetricFamily("sightwire_cache_memory_entries", "Entries in memory", labels=["cache"])
        size = GaugeMetricFamily("sightwire_cache_memory_bytes", "Bytes of them", labels=["cache"])
        up = GaugeMetricFamily("sightwire_cache_server_up", "1 while the shared server answers", labels=["cache"])
        for name, cache in self._caches.items():
            counts = cache.process_accounting()
            for level, of_level in (("any", counts), ("memory", counts.memory)):
                lookups.add_metric([name, level, "hit"], of_level.hits)
                lookups.add_metric([name, level, "miss"], of_level.misses)
            collapsed.add_metric([name], counts.collapsed)
            evictions.add_metric([name], counts.evictions)
            entries.add_metric([name], counts.size)
            size.add_metric([name], counts.size_bytes)
            if cache.health != DISABLED:
                up.add_metric([name], cache.health == HEALTHY)
        yield from (lookups, collapsed, evictions, entries, size, up)

    def describe(self) -> Iterator[Metric]:
        """Nothing: so that registering does not read caches that are not open yet."""
        return iter(())
