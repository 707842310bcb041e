"""Refuses operations that would make two indexes differ which are to hold the same items."""

from sightwire.bus.connection import Bus
from sightwire.bus.migrations import Migrations
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.contracts.operations import Command, Restore, Rollback, Switch
from sightwire.errors import ConflictError
from sightwire_indexer.standing import Standing


class MigrationGuard:
    """Of one index, beside which there may be another one of the same collection.

    What is put and deleted gets to both. What another generation brings back, or takes away, does not.
    """

    def __init__(self, bus: Bus, standing: Standing) -> None:
        self._bus = bus
        self._standing = standing

    async def check(self, command: Command) -> None:
        """Returns if the command may be carried out now.

        Raises:
            ConflictError: the collection moves to another model meanwhile.
            UnavailableError: the bus does not say whether it does.
        """
        if not _may_change_items(command):
            return
        users = self._standing.users
        if users is None or len(users.copies) == 1:
            return
        for migration in await Migrations(self._bus).all(users.name):
            is_of_it = migration.collection_uid == users.uid and migration.shadow in users.shadows
            if is_of_it and migration.state is MigrationState.RUNNING:
                raise ConflictError(_refusal(command, migration))


def _may_change_items(command: Command) -> bool:
    """A generation that was rebuilt has the items of the live one; any other may have others."""
    return isinstance(command, Switch | Rollback) or (isinstance(command, Restore) and command.activate)


def _refusal(command: Command, migration: Migration) -> str:
    model = f"{migration.model.name}:{migration.model.version}"
    return (
        f"{migration.collection!r} moves to model {model}, and its new index would not get what a {command.kind} "
        f"changes; wait for the end of the migration, run {migration.run}, or end it with "
        f"`sightwire pipelines cancel {migration.run}`, and ask again"
    )
