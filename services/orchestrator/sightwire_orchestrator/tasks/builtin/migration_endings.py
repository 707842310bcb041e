"""`roll_back_collection`, `abandon_migration`, `retire_copy`: the ways in which a migration ends besides promotion."""

from pydantic import JsonValue

from sightwire.bus.migrations import Migrations
from sightwire.contracts.migrations import Migration
from sightwire_orchestrator.migrations.giving_up import abandon, retire
from sightwire_orchestrator.migrations.switch_over import roll_back
from sightwire_orchestrator.tasks.builtin.migration_parameters import MigrationParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import handler


class RollBackParameters(MigrationParameters):
    """Which migration: `the last one` would be another one in a second attempt."""


class AbandonParameters(MigrationParameters):
    """Which migration, and why."""

    reason: str = ""


class RetireParameters(MigrationParameters):
    """Which migration has left the copy."""


@handler("roll_back_collection")
async def roll_back_collection(context: TaskContext, parameters: RollBackParameters) -> JsonValue:
    """Let the index answer again that did before a migration: {collection, shadow, state, reason}."""
    bus = context.resources.require_bus()
    return _told(await roll_back(bus, parameters.collection, shadow=parameters.shadow, by=f"run {context.run}"))


@handler("abandon_migration")
async def abandon_migration(context: TaskContext, parameters: AbandonParameters) -> JsonValue:
    """Give a migration up that was not promoted: {collection, shadow, state, reason}."""
    bus = context.resources.require_bus()
    migration = await Migrations(bus).get(parameters.collection, parameters.shadow)
    return _told(await abandon(bus, migration, reason=parameters.reason or f"given up by run {context.run}"))


@handler("retire_copy")
async def retire_copy(context: TaskContext, parameters: RetireParameters) -> JsonValue:
    """Give up the copy that a migration left, and with it the way back: {collection, shadow, state, reason}."""
    bus = context.resources.require_bus()
    return _told(await retire(bus, await Migrations(bus).get(parameters.collection, parameters.shadow)))


def _told(migration: Migration) -> JsonValue:
    return migration.model_dump(mode="json", include={"collection", "shadow", "state", "reason"})
