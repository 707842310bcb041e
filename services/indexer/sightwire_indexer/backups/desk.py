"""Lists, verifies and prunes backups, and prepares restorations: what any indexer can do for any collection."""

from datetime import UTC, datetime

from sightwire.bus.collections import CollectionRegistry
from sightwire.contracts.backups import BackupRetention, BackupSummary, BackupVerification
from sightwire.contracts.collections import CollectionRecord, new_collection_uid
from sightwire.errors import ConflictError, UnknownCollectionError
from sightwire_indexer.backups.fitting import require_fit, require_space
from sightwire_indexer.backups.manifest import BackupManifest
from sightwire_indexer.backups.shared import Backups
from sightwire_indexer.backups.sweeping import prune_backups, sweep_files
from sightwire_indexer.backups.verifying import verify_backup


class BackupDesk:
    """Backups of all collections, also of those that do not exist any more."""

    def __init__(self, backups: Backups, registry: CollectionRegistry) -> None:
        self._backups = backups
        self._store = backups.store
        self._registry = registry

    async def list(self, collection: str | None) -> tuple[BackupSummary, ...]:
        """Backups of one or of all collections, newest first; those whose description is damaged are left out."""
        backups = [backup for found in await self._store.catalogues(collection) for backup in found.backups]
        return _newest_first(backups)

    async def verify(self, backup: str) -> BackupVerification:
        """Reads a backup back, which takes as long as reading all its bytes.

        Raises:
            NotFoundError: there is no such backup.
            CorruptDataError: its description is damaged.
            ConfigurationError: it is encrypted, and no configured identity opens it.
        """
        return await verify_backup(self._store, await self._store.find(backup))

    async def prune(self, collection: str | None, retention: BackupRetention | None) -> tuple[BackupSummary, ...]:
        """Removes backups that are past `retention` (None: as configured), and returns them, newest first.

        Files that only they needed go, too; beside a running backup of the collection they stay until it is done.
        """
        names = {layout.collection for layout in await self._store.layouts(collection)}
        gone: list[BackupManifest] = []
        for name in sorted(names):
            gone += await prune_backups(self._store, name, retention or self._backups.options.retention)
            await self._sweep(name)
        return _newest_first(gone)

    async def prepare_restore(self, backup: str, into: str | None) -> CollectionRecord:
        """The collection that a backup can be restored into: registered now unless it exists.

        If a shadow answers for it, the backup has to fit that.

        Raises:
            NotFoundError: there is no such backup.
            CorruptDataError: its description is damaged.
            InvalidInputError: the collection exists, and the backup does not fit it.
        """
        found = await self._store.find(backup)
        name = into or found.record.name
        try:
            existing = await self._registry.get(name)
        except UnknownCollectionError:
            record = _new_record(found, name)
            await self._registry.create(record)
            return record
        index = existing if existing.answering is None else await self._registry.get(existing.answering)
        require_fit(found, index.as_users_know_it.spec)
        require_space(found, name, index.space)
        return existing

    async def _sweep(self, collection: str) -> None:
        min_age = self._backups.options.orphan_age
        try:
            async with self._backups.locks.hold(collection, wait_seconds=0) as require_lock:
                await sweep_files(self._store, collection, min_age=min_age, require_lock=require_lock)
        except ConflictError:
            # Whoever is writing or removing backups now removes at its end what nobody needs.
            return


def _newest_first(backups: list[BackupManifest]) -> tuple[BackupSummary, ...]:
    ordered = sorted(backups, key=lambda backup: (backup.created_at, backup.id), reverse=True)
    return tuple(backup.summary for backup in ordered)


def _new_record(backup: BackupManifest, name: str) -> CollectionRecord:
    """A collection like the one that was backed up, as an incarnation of its own."""
    return backup.record.as_users_know_it.model_copy(
        update={
            "spec": backup.record.spec.model_copy(update={"name": name}),
            "uid": new_collection_uid(),
            "created_at": datetime.now(UTC),
            "space": backup.space,
        }
    )
