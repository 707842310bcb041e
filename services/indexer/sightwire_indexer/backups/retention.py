"""Which backups go: a pure decision."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sightwire.contracts.backups import BackupRetention
from sightwire_indexer.backups.manifest import BackupManifest


def expired(backups: Sequence[BackupManifest], retention: BackupRetention, now: datetime) -> list[BackupManifest]:
    """Those that no limit protects, oldest first; the newest is never among them. Without limits none is.

    Args:
        backups: of one collection, whichever incarnation, in any order.
    """
    if retention.keep is None and retention.keep_seconds is None:
        return []
    oldest_first = sorted(backups, key=lambda backup: (backup.created_at, backup.id))
    candidates = oldest_first[: -(retention.keep or 1)]
    if retention.keep_seconds is None:
        return candidates
    protected_from = now - timedelta(seconds=retention.keep_seconds)
    return [backup for backup in candidates if backup.created_at < protected_from]
