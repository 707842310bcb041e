"""A migration as its tasks need it: what is known of it, and the records of the collections that take part."""

from dataclasses import dataclass

from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.migrations import Migrations
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.errors import ConflictError
from sightwire_orchestrator.migrations.switching import require_shadow


@dataclass(frozen=True, slots=True)
class OpenedMigration:
    """As everything was when it was opened."""

    migration: Migration
    #: What users know.
    users: CollectionRecord
    #: The index that answered when it began.
    source: CollectionRecord
    shadow: CollectionRecord


async def open_migration(bus: Bus, collection: str, shadow: str) -> OpenedMigration:
    """A migration whose shadow still gets what its collection gets.

    Raises:
        NotFoundError: there is none.
        ConflictError: it was abandoned, or the collection is another one of this name.
        UnavailableError: the bus does not answer.
    """
    migration = await Migrations(bus).get(collection, shadow)
    registry = CollectionRegistry(bus)
    users = await registry.get(collection)
    if migration.state is MigrationState.ABANDONED:
        raise ConflictError(
            f"the migration of {collection!r} was abandoned ({migration.reason or 'no reason is known'}); "
            "begin a new one"
        )
    if users.uid != migration.collection_uid:
        raise ConflictError(f"collection {collection!r} was deleted and made again since its migration began")
    require_shadow(users, shadow)
    source = users if migration.source == users.name else await registry.get(migration.source)
    return OpenedMigration(migration, users, source, await registry.get(shadow))
