"""Removes backups that are past retention, and files that no backup refers to any more."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from sightwire.blobs.store import BlobEntry
from sightwire.contracts.backups import BackupRetention
from sightwire_indexer.backups.layout import BackupLayout
from sightwire_indexer.backups.manifest import BackupManifest
from sightwire_indexer.backups.retention import expired
from sightwire_indexer.backups.store import BackupStore

logger = logging.getLogger(__name__)


async def prune_backups(store: BackupStore, collection: str, retention: BackupRetention) -> list[BackupManifest]:
    """Removes a collection's backups that are past retention, and returns them; their files stay for `sweep_files`."""
    backups = [backup for found in await store.catalogues(collection) for backup in found.backups]
    gone = expired(backups, retention, datetime.now(UTC))
    for backup in gone:
        await store.remove(backup)
        logger.info("removed a backup", extra={"collection": collection, "backup": backup.id})
    return gone


async def sweep_files(
    store: BackupStore, collection: str, *, min_age: timedelta, require_lock: Callable[[], None]
) -> int:
    """Removes files that no backup of a collection refers to; returns the bytes that became free.

    Args:
        min_age: younger files stay; an interrupted backup goes on with them.
        require_lock: raises unless nobody else can write backups of the collection now.
    """
    freed = 0
    for found in await store.catalogues(collection):
        if found.damaged:
            logger.error(
                "files of backups stay: which of them a damaged description refers to is not known",
                extra={"collection": collection, "descriptions": found.damaged},
            )
            continue
        older_than = datetime.now(UTC) - min_age
        orphans = orphaned(await store.files.all(found.layout), found.layout, found.backups, older_than=older_than)
        for orphan in orphans:
            require_lock()
            await store.files.delete([orphan])
            freed += orphan.bytes
    return freed


def orphaned(
    entries: Iterable[BlobEntry],
    layout: BackupLayout,
    backups: Sequence[BackupManifest],
    *,
    older_than: datetime,
) -> list[BlobEntry]:
    """Stored files that none of the backups refers to and that are old enough to be sure of it."""
    referenced = {layout.file_key(file.stored_name) for backup in backups for file in backup.files}
    return [entry for entry in entries if entry.key not in referenced and entry.modified_at < older_than]
