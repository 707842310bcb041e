"""Gives copies of collections up: those of migrations that came to nothing, and those that were kept long enough."""

from datetime import UTC, datetime

from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.migrations import Migrations
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.errors import ConflictError, InvalidInputError, UnknownCollectionError
from sightwire_orchestrator.migrations.switching import without_own_index


async def abandon(bus: Bus, migration: Migration, *, reason: str) -> Migration:
    """Ends a migration that was not promoted: its shadow goes, and the collection is as before. May be repeated.

    Raises:
        ConflictError: it was promoted.
        UnavailableError: the bus does not answer.
    """
    now = datetime.now(UTC)

    def given_up(present: Migration) -> Migration:
        if present.state in {MigrationState.PROMOTED, MigrationState.ROLLED_BACK}:
            raise ConflictError(
                f"the migration of {present.collection!r} was {present.state}; `sightwire models rollback` undoes it"
            )
        if present.state is MigrationState.ABANDONED:
            return present
        return present.model_copy(update={"state": MigrationState.ABANDONED, "ended_at": now, "reason": reason})

    # First: tasks of the run that are not done yet refuse to go on.
    changed = await Migrations(bus).change(migration, given_up)
    await drop_shadow(bus, migration.shadow)
    return changed


async def drop_shadow(bus: Bus, shadow: str) -> None:
    """Removes a shadow; one that is not there is none.

    Raises:
        ConflictError: it answers for its collection.
        UnavailableError: the bus does not answer.
    """
    try:
        await CollectionRegistry(bus).delete(shadow)
    except UnknownCollectionError:
        return


async def drop_left_shadow(bus: Bus, shadow: str) -> None:
    """Removes a shadow that no migration needs, and that none clears away.

    Raises:
        UnknownCollectionError: there is none.
        InvalidInputError: it is no shadow.
        ConflictError: a migration needs it, or it answers for its collection.
        UnavailableError: the bus does not answer.
    """
    record = await CollectionRegistry(bus).get(shadow)
    if record.shadow_of is None:
        raise InvalidInputError(f"{shadow!r} is a collection and no shadow of one")
    for migration in await Migrations(bus).all(record.shadow_of):
        if migration.shadow == shadow and migration.state is MigrationState.RUNNING:
            raise ConflictError(f"run {migration.run} fills {shadow!r}; `sightwire pipelines cancel` ends it")
        if migration.spare == shadow:
            raise ConflictError(f"{shadow!r} is kept for the way back from a migration; it goes when its time is over")
    await drop_shadow(bus, shadow)


async def retire(bus: Bus, migration: Migration) -> Migration:
    """Gives up the copy that a migration left, with the way back. May be repeated.

    Raises:
        ConflictError: that copy answers.
        UnavailableError: the bus does not answer.
    """
    spare = migration.spare
    if spare is None:
        return migration
    if spare == migration.collection:
        await CollectionRegistry(bus).change(spare, without_own_index)
    else:
        await drop_shadow(bus, spare)
    changes = {"retired_at": datetime.now(UTC), "keep_until": None}
    return await Migrations(bus).change(migration, lambda present: present.model_copy(update=changes))
