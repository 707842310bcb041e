"""What the indexer counts."""

from prometheus_client import Counter, Enum, Gauge, Histogram

from sightwire.segments.manifest import Manifest
from sightwire.telemetry.metrics import SLOW_BUCKETS

COMMITS = Counter("sightwire_indexer_commits_total", "Manifests committed", ["collection", "reason"])
COMMIT_SECONDS = Histogram(
    "sightwire_indexer_commit_seconds",
    "Duration of a commit, from its first file to its manifest",
    buckets=SLOW_BUCKETS,
)
COMMITTED_ITEMS = Counter("sightwire_indexer_items_total", "Changes of items that were committed", ["collection"])
REJECTED_ITEMS = Counter(
    "sightwire_indexer_rejected_items_total",
    "Items that can never be indexed, put into the dead-letter queue",
    ["collection"],
)
BUFFERED_ITEMS = Gauge("sightwire_indexer_buffered_items", "Items that were read and wait for a commit", ["collection"])
WAITING_ITEMS = Gauge(
    "sightwire_indexer_unannounced_items", "Committed items that not every searcher has loaded", ["collection"]
)
MERGE_SECONDS = Histogram(
    "sightwire_indexer_merge_seconds",
    "Duration of a merge in its process",
    ["lane"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 1200, 3600),
)
MERGE_FAILURES = Counter("sightwire_indexer_merge_failures_total", "Merges that failed and will be tried again")
SEGMENTS = Gauge("sightwire_indexer_segments", "Segments of the newest manifest", ["collection"])
ITEMS = Gauge("sightwire_indexer_live_items", "Items of the newest manifest", ["collection"])
CHECKPOINT = Gauge("sightwire_indexer_checkpoint", "Sequence of EMBEDDED up to which the index is made", ["collection"])
OWNER_STATE = Enum(
    "sightwire_indexer_owner_state",
    "What this indexer does for a collection",
    ["collection"],
    states=["standby", "opening", "indexing", "retrying", "failed"],
)


def observe_manifest(manifest: Manifest, reason: str) -> None:
    """Records what a committed manifest holds."""
    COMMITS.labels(manifest.collection, reason).inc()
    SEGMENTS.labels(manifest.collection).set(len(manifest.segments))
    ITEMS.labels(manifest.collection).set(manifest.items)
    CHECKPOINT.labels(manifest.collection).set(manifest.checkpoint.sequence)


_BY_COLLECTION = (
    COMMITTED_ITEMS,
    REJECTED_ITEMS,
    BUFFERED_ITEMS,
    WAITING_ITEMS,
    SEGMENTS,
    ITEMS,
    CHECKPOINT,
    COMMITS,
    OWNER_STATE,
)


def forget_collection(collection: str) -> None:
    """Removes the series of a collection that this indexer does not own any more."""
    for metric in _BY_COLLECTION:
        metric.remove_by_labels({"collection": collection})
