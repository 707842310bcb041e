"""Settings of the indexer: `SIGHTWIRE_INDEXER_*`, next to the shared `SIGHTWIRE_*`."""

import os
from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from sightwire.contracts.validation import GateThresholds
from sightwire.settings import RELOADABLE, SharedSettings

_MEBIBYTE = 1024 * 1024


class IndexerSettings(SharedSettings):
    """How often the indexer commits and merges, and what it keeps."""

    indexer_work_dir: Path = Field(
        default=Path("data/indexer"),
        description="Folder of this indexer alone: its identity, and copies of segments of a remote blob store",
    )
    indexer_commit_seconds: PositiveFloat = Field(
        default=0.2,
        description="Items that wait are committed when so long has passed since the last commit",
        json_schema_extra=RELOADABLE,
    )
    indexer_max_buffered_items: PositiveInt = Field(
        default=20_000,
        description="Items of a collection that may wait for a commit; then no more are read",
        json_schema_extra=RELOADABLE,
    )
    indexer_max_buffered_bytes: PositiveInt = Field(
        default=128 * _MEBIBYTE,
        description="Bytes of messages of a collection that may wait for a commit",
        json_schema_extra=RELOADABLE,
    )
    indexer_segments_per_tier: int = Field(
        default=6, ge=2, description="Segments of similar size that are merged into one", json_schema_extra=RELOADABLE
    )
    indexer_max_segment_rows: PositiveInt = Field(
        default=500_000, description="No merge makes a larger segment", json_schema_extra=RELOADABLE
    )
    indexer_max_deleted_share: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="A segment with a larger share of deleted items is rewritten",
        json_schema_extra=RELOADABLE,
    )
    indexer_graph_min_rows: PositiveInt = Field(
        default=5_000,
        description="Vectors of a field from which a merge builds a graph index (HNSW)",
        json_schema_extra=RELOADABLE,
    )
    indexer_merge_threads: PositiveInt = Field(
        default=max(1, (os.cpu_count() or 1) // 2),
        description="Threads of the process that builds graph indexes",
        json_schema_extra=RELOADABLE,
    )
    indexer_keep_manifests: PositiveInt = Field(
        default=10, description="Newest manifests that are always kept", json_schema_extra=RELOADABLE
    )
    indexer_keep_generations: PositiveInt = Field(
        default=3,
        description="Newest generations of a collection that were live and can be gone back to",
        json_schema_extra=RELOADABLE,
    )
    indexer_retention_seconds: PositiveFloat = Field(
        default=120.0,
        description="Age from which what no kept manifest needs is removed; searchers load within it",
        json_schema_extra=RELOADABLE,
    )
    indexer_housekeeping_seconds: PositiveFloat = Field(
        default=60.0, description="Time between two removals", json_schema_extra=RELOADABLE
    )
    indexer_idle_checkpoint_seconds: PositiveFloat = Field(
        default=600.0,
        description="How often the checkpoint of a collection without new items follows its stream",
        json_schema_extra=RELOADABLE,
    )
    indexer_operation_timeout_seconds: PositiveFloat = Field(
        default=6 * 3600.0,
        description="How long an attempt at a rebuild or another operation may take",
        json_schema_extra=RELOADABLE,
    )
    indexer_rebuild_threads: PositiveInt = Field(
        default=max(1, (os.cpu_count() or 1) // 2),
        description="Threads of the process that rebuilds an index",
        json_schema_extra=RELOADABLE,
    )
    indexer_rebuild_memory_bytes: PositiveInt | None = Field(
        default=None,
        description="Memory that the process may allocate that rebuilds an index; none: half of the machine's",
        json_schema_extra=RELOADABLE,
    )
    indexer_gates: GateThresholds = Field(
        default=GateThresholds(),
        description="Thresholds of the gates before a generation becomes live, as JSON",
        json_schema_extra=RELOADABLE,
    )
    indexer_backups_url: str = Field(
        default="data/backups",
        description="Backup store: a folder, or s3://bucket/prefix (keys, region and endpoint from AWS_* variables)",
    )
    indexer_backup_keep: PositiveInt | None = Field(
        default=None,
        description="Newest backups of a collection that stay when backups are pruned",
        json_schema_extra=RELOADABLE,
    )
    indexer_backup_keep_seconds: PositiveFloat | None = Field(
        default=None, description="Age up to which backups stay when backups are pruned", json_schema_extra=RELOADABLE
    )
    indexer_backup_recipients: str = Field(
        default="", description="Public age keys (age1…), by commas, that backups are encrypted for; none: they are not"
    )
    indexer_backup_identity: Path | None = Field(
        default=None, description="File with the age identities that read encrypted backups"
    )
    indexer_tombstone_grace_seconds: NonNegativeFloat = Field(
        default=3600.0, description="How long deletions are remembered after older events of the item can have come"
    )
