"""Lets another index answer for a collection, and back; each may be repeated after a crash at any place."""

import logging
from datetime import UTC, datetime

from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.migrations import Migrations
from sightwire.bus.orchestrator import OrchestratorClient
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.contracts.model_control import ReadModel, RegisteredModel, RemoveAlias, RollBackAlias, SetAlias
from sightwire.contracts.models import LIVE, AliasMove
from sightwire.errors import ConflictError, NotFoundError, SightwireError
from sightwire_orchestrator.migrations.switching import promoted, rolled_back

logger = logging.getLogger(__name__)


async def switch_over(bus: Bus, migration: Migration, *, by: str) -> Migration:
    """Lets the shadow of a migration answer; the migration as it is then.

    Raises:
        ConflictError: the shadow is none any more, or another index answers by now.
        UnavailableError: the bus does not answer.
    """
    await CollectionRegistry(bus).change(
        migration.collection, lambda record: promoted(record, migration.shadow, source=migration.source)
    )
    changed = await mark_promoted(bus, migration)
    await _tell_promoted(bus, changed, by=by)
    return changed


async def mark_promoted(bus: Bus, migration: Migration) -> Migration:
    """Notes that a shadow answers, if that is not known yet."""
    now = datetime.now(UTC)

    def answers(present: Migration) -> Migration:
        if present.state is MigrationState.PROMOTED:
            return present
        changes = {
            "state": MigrationState.PROMOTED,
            "promoted_at": now,
            "ended_at": now,
            "keep_until": present.keep_until or now,
            "reason": "",
        }
        return present.model_copy(update=changes)

    return await Migrations(bus).change(migration, answers)


async def mark_rolled_back(bus: Bus, migration: Migration, reason: str) -> Migration:
    """Notes that the index answers again that did before a migration."""
    changes = {"state": MigrationState.ROLLED_BACK, "ended_at": datetime.now(UTC), "reason": reason}
    return await Migrations(bus).change(
        migration,
        lambda present: present if present.state is MigrationState.ROLLED_BACK else present.model_copy(update=changes),
    )


async def roll_back(bus: Bus, collection: str, *, by: str, shadow: str | None = None, reason: str = "") -> Migration:
    """Lets the index answer again that did before the last migration of a collection.

    Args:
        shadow: of the migration that is meant, if it was the last one; it may have been rolled back already.

    Raises:
        ConflictError: there is none, or its copy is gone.
        UnknownCollectionError: there is no such collection.
        UnavailableError: the bus does not answer.
    """
    registry = CollectionRegistry(bus)
    users = await registry.get(collection)
    known = await Migrations(bus).all(collection)
    for done in known:
        if done.shadow == shadow and done.state is MigrationState.ROLLED_BACK:
            return done
    migration = migration_to_undo(known, uid=users.uid, answering=users.index_name)
    if migration is None or shadow not in {None, migration.shadow}:
        raise ConflictError(
            f"there is no migration of collection {collection!r} to go back from: none was promoted, or the index "
            "before it has been given up; migrate to its model again"
        )
    await registry.change(collection, lambda record: rolled_back(record, migration.shadow, source=migration.source))
    changed = await mark_rolled_back(bus, migration, reason or f"rolled back by {by}")
    await _tell_rolled_back(bus, changed, by=by)
    return changed


def migration_to_undo(migrations: list[Migration], *, uid: str, answering: str) -> Migration | None:
    """The promoted migration by which an index came to answer, if the one before it is still kept."""
    for migration in migrations:
        is_kept = migration.collection_uid == uid and migration.retired_at is None
        if is_kept and migration.state is MigrationState.PROMOTED and migration.shadow == answering:
            return migration
    return None


async def _tell_promoted(bus: Bus, migration: Migration, *, by: str) -> None:
    """Lets the alias `live` mean the model, which `models.promoted` tells. The switch counts without it, too."""
    orchestrator = OrchestratorClient(bus)
    model = migration.model
    try:
        if await _is_live(orchestrator, migration):
            return
        move = SetAlias(name=model.name, alias=LIVE, version=model.version, by=by, reason=_reason(migration))
        await orchestrator.ask_models(move, AliasMove)
    except SightwireError as error:
        logger.warning("a promoted model did not become live", extra={"model": str(model), "error": str(error)})


async def _tell_rolled_back(bus: Bus, migration: Migration, *, by: str) -> None:
    orchestrator = OrchestratorClient(bus)
    name, reason = migration.model.name, f"roll back: {_reason(migration)}"
    try:
        if not await _is_live(orchestrator, migration):
            return
        try:
            await orchestrator.ask_models(RollBackAlias(name=name, alias=LIVE, by=by, reason=reason), AliasMove)
        except (ConflictError, NotFoundError):
            # It meant nothing before.
            await orchestrator.ask_models(RemoveAlias(name=name, alias=LIVE, by=by, reason=reason), AliasMove)
    except SightwireError as error:
        logger.warning(
            "a model that was rolled back stayed live", extra={"model": str(migration.model), "error": str(error)}
        )


async def _is_live(orchestrator: OrchestratorClient, migration: Migration) -> bool:
    registered = await orchestrator.ask_models(ReadModel(model=str(migration.model)), RegisteredModel)
    return LIVE in registered.aliases


def _reason(migration: Migration) -> str:
    return f"migration of collection {migration.collection}"
