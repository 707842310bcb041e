"""Lists, verifies and prunes backups, and prepares restorations: what any indexer can do for any collection."""

from sightwire.bus.collections import CollectionRegistry
from sightwire.contracts.backups import BackupRetention, BackupSummary, BackupVerification
from sightwire.contracts.collections import CollectionRecord
from sightwire_indexer.backups.shared import Backups


class BackupDesk:
    """Backups of all collections, also of those that do not exist any more."""

    def __init__(self, backups: Backups, registry: CollectionRegistry) -> None:
        self._backups = backups
        self._registry = registry

    async def list(self, collection: str | None) -> tuple[BackupSummary, ...]:
        """Backups of one or of all collections, newest first."""
        raise NotImplementedError

    async def verify(self, backup: str) -> BackupVerification:
        """Reads a backup back.

        Raises:
            NotFoundError: there is no such backup.
        """
        raise NotImplementedError

    async def prune(self, collection: str | None, retention: BackupRetention | None) -> tuple[BackupSummary, ...]:
        """Removes backups that are past `retention` (None: as configured); returns those that went."""
        raise NotImplementedError

    async def prepare_restore(self, backup: str, into: str | None) -> CollectionRecord:
        """The collection that a backup can be restored into: registered now unless it exists.

        Raises:
            NotFoundError: there is no such backup.
            InvalidInputError: the collection exists, and the backup does not fit it.
        """
        raise NotImplementedError
