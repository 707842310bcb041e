"""Prometheus metrics of the searcher."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from sightwire.telemetry.metrics import FAST_BUCKETS, SLOW_BUCKETS

QUERY_SECONDS: Final = Histogram(
    "sightwire_searcher_query_duration_seconds",
    "Time from request to answer, waiting included",
    ["method"],
    buckets=FAST_BUCKETS,
)
#: The histogram of each method, looked up once.
METHOD_SECONDS: Final = {
    method: QUERY_SECONDS.labels(method)
    for method in ("Search", "SearchMany", "GetItems", "ListItems", "DescribeCollection")
}
QUERY_ERRORS: Final = Counter("sightwire_searcher_query_errors_total", "Requests that failed", ["method", "error"])
QUEUED: Final = Gauge("sightwire_searcher_queued_queries", "Calls that wait for a thread")
RELOAD_SECONDS: Final = Histogram(
    "sightwire_searcher_reload_duration_seconds",
    "Time to load a manifest version and make it answer",
    buckets=SLOW_BUCKETS,
)
RELOAD_ERRORS: Final = Counter(
    "sightwire_searcher_reload_errors_total", "Reloads that failed and are tried again", ["collection", "error"]
)
RELOAD_LAG_SECONDS: Final = Gauge(
    "sightwire_searcher_reload_lag_seconds", "Time from the last commit to its being searchable here", ["collection"]
)
SNAPSHOT_VERSION: Final = Gauge("sightwire_searcher_snapshot_version", "Manifest version that answers", ["collection"])
ITEMS: Final = Gauge("sightwire_searcher_items", "Live items", ["collection"])
SEGMENTS: Final = Gauge("sightwire_searcher_segments", "Segments that answer", ["collection"])
RESIDENT_BYTES: Final = Gauge(
    "sightwire_searcher_resident_bytes",
    "What must fit into memory for searches not to wait for the disk",
    ["collection"],
)
FILTER_CACHE_BYTES: Final = Gauge("sightwire_searcher_filter_cache_bytes", "Memory of evaluated filters")

_BY_COLLECTION: Final = (RELOAD_LAG_SECONDS, SNAPSHOT_VERSION, ITEMS, SEGMENTS, RESIDENT_BYTES)


def forget_collection(collection: str) -> None:
    """Removes the metrics of a collection that was deleted."""
    for gauge in _BY_COLLECTION:
        gauge.remove(collection)
