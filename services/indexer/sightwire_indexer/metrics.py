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
MERGE_CPU_SECONDS = Counter(
    "sightwire_indexer_merge_cpu_seconds_total", "CPU time that finished merges took in their processes", ["lane"]
)
MERGES_RUNNING = Gauge("sightwire_indexer_merges_running", "Merges that run now", ["lane"])
MERGE_FAILURES = Counter("sightwire_indexer_merge_failures_total", "Merges that failed and will be tried again")
VALIDATIONS = Counter(
    "sightwire_indexer_validations_total", "Generations put through the gates", ["collection", "outcome"]
)
GATE_FAILURES = Counter(
    "sightwire_indexer_gate_failures_total", "Gates that a generation failed", ["collection", "gate"]
)
DAMAGED_SEGMENTS = Gauge(
    "sightwire_indexer_damaged_segments", "Segments with wrong checksums, as the last scan found", ["collection"]
)
SEGMENTS = Gauge("sightwire_indexer_segments", "Segments of the newest manifest", ["collection"])
MANIFEST_VERSION = Gauge("sightwire_indexer_manifest_version", "Version of the newest manifest", ["collection"])
ITEMS = Gauge("sightwire_indexer_live_items", "Items of the newest manifest", ["collection"])
CHECKPOINT = Gauge("sightwire_indexer_checkpoint", "Sequence of EMBEDDED up to which the index is made", ["collection"])
OPERATIONS = Counter(
    "sightwire_indexer_operations_total",
    "Operations on an index that ended",
    ["collection", "kind", "state"],
)
OPERATION_SECONDS = Histogram(
    "sightwire_indexer_operation_seconds",
    "Duration of an operation, since it began in this process",
    ["kind"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 1200, 3600, 14400, 43200),
)
RUNNING_OPERATIONS = Gauge("sightwire_indexer_running_operations", "Operations that run now", ["collection", "kind"])
GENERATIONS_BUILT = Counter(
    "sightwire_indexer_generations_built_total", "Generations that a rebuild finished", ["collection"]
)
OWNER_STATE = Enum(
    "sightwire_indexer_owner_state",
    "What this indexer does for a collection",
    ["collection"],
    states=["standby", "opening", "indexing", "retrying", "failed"],
)
LAST_BACKUP = Gauge(
    "sightwire_indexer_last_backup_timestamp_seconds", "When the newest backup was made, since 1970", ["collection"]
)
BACKUP_BYTES = Gauge(
    "sightwire_indexer_backup_bytes", "Bytes that the newest backup needs in the backup store", ["collection"]
)
BACKUP_FAILURES = Counter("sightwire_indexer_backup_failures_total", "Attempts at a backup that failed", ["collection"])


def observe_manifest(manifest: Manifest, reason: str) -> None:
    """Records what a committed manifest holds."""
    COMMITS.labels(manifest.collection, reason).inc()
    SEGMENTS.labels(manifest.collection).set(len(manifest.segments))
    MANIFEST_VERSION.labels(manifest.collection).set(manifest.version)
    ITEMS.labels(manifest.collection).set(manifest.items)
    CHECKPOINT.labels(manifest.collection).set(manifest.checkpoint.sequence)


_BY_COLLECTION = (
    COMMITTED_ITEMS,
    REJECTED_ITEMS,
    BUFFERED_ITEMS,
    WAITING_ITEMS,
    SEGMENTS,
    MANIFEST_VERSION,
    ITEMS,
    CHECKPOINT,
    COMMITS,
    OPERATIONS,
    RUNNING_OPERATIONS,
    GENERATIONS_BUILT,
    OWNER_STATE,
    VALIDATIONS,
    GATE_FAILURES,
    DAMAGED_SEGMENTS,
)
_BY_USERS_COLLECTION = (LAST_BACKUP, BACKUP_BYTES, BACKUP_FAILURES)


def forget_collection(collection: str) -> None:
    """Removes the series of an index that this indexer does not own any more."""
    for metric in _BY_COLLECTION:
        metric.remove_by_labels({"collection": collection})


def forget_backups(collection: str) -> None:
    """Removes the series of the backups of a users' collection, for which another indexer answers from now on."""
    for metric in _BY_USERS_COLLECTION:
        metric.remove_by_labels({"collection": collection})
