"""What the parameters of all tasks of a migration have in common."""

from sightwire.bus.connection import Bus
from sightwire.contracts.names import CollectionName
from sightwire_orchestrator.migrations.opened import OpenedMigration, open_migration
from sightwire_orchestrator.tasks.builtin.parameters import TaskParameters


class MigrationParameters(TaskParameters):
    """Which migration; as `prepare_shadow` says."""

    collection: CollectionName
    shadow: CollectionName

    async def open(self, bus: Bus) -> OpenedMigration:
        """The migration, and who takes part; raises as `open_migration` does."""
        return await open_migration(bus, self.collection, self.shadow)
