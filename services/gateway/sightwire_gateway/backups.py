"""Backups as callers see them: those of shadows' indexes are their collection's."""

from typing import Any

from sightwire.bus.control import ControlClient
from sightwire.contracts.backups import BackupRetention, BackupSummary
from sightwire.contracts.control import ListBackups, PruneBackups


class BackupDesk:
    """Backups of all collections. Every method raises `UnavailableError` while no indexer answers."""

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    async def find_all(self, collection: str | None = None) -> list[BackupSummary]:
        """Those of a collection as users name it, or all; newest first. `collection.name` is that of its index."""
        answer: list[Any] = await self._control.ask_any(ListBackups())
        backups = [BackupSummary.model_validate(backup) for backup in answer]
        return [backup for backup in backups if collection in (None, backup.collection.users_name)]

    async def find(self, backup: str) -> BackupSummary | None:
        """A backup, None if there is none."""
        return next((found for found in await self.find_all() if found.id == backup), None)

    async def prune(
        self, collection: str | None, retention: BackupRetention | None, *, seconds: float
    ) -> list[BackupSummary]:
        """Removes those that the retention does not protect, and returns them, newest first.

        Args:
            collection: as users name it; None for all. The newest of each of its indexes stays.
            retention: None for the configured one.
            seconds: for the removal from each index.
        """
        indexes: set[str | None] = {None}
        if collection is not None:
            indexes = {backup.collection.name for backup in await self.find_all(collection)}
        gone: list[BackupSummary] = []
        for index in indexes:
            request = PruneBackups(collection=index, retention=retention)
            gone += [
                BackupSummary.model_validate(backup) for backup in await self._control.ask_any(request, timeout=seconds)
            ]
        return sorted(gone, key=lambda backup: (backup.created_at, backup.id), reverse=True)


def public_backup(backup: BackupSummary) -> dict[str, Any]:
    """A backup as answers show it: its collection has the users' name, and nothing of how it moved between models."""
    record = backup.collection
    shown = record.model_copy(update={"spec": record.spec.model_copy(update={"name": record.users_name})})
    return {
        **backup.model_dump(mode="json"),
        "collection": shown.model_dump(
            mode="json", exclude={"shadow_of", "shadows", "answering", "canary", "has_index"}
        ),
    }
