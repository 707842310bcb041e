"""`promote`: the shadow of a collection answers from now on."""

from datetime import UTC, datetime, timedelta

from pydantic import Field, JsonValue, NonNegativeFloat

from sightwire.bus.migrations import Migrations
from sightwire.contracts.migrations import MigrationState
from sightwire.errors import ConflictError
from sightwire_orchestrator.migrations.switch_over import switch_over
from sightwire_orchestrator.tasks.builtin.migration_parameters import MigrationParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import handler


class PromoteParameters(MigrationParameters):
    """Which migration, and how long the way back stays open."""

    keep_hours: NonNegativeFloat = Field(default=168.0, description="That the copy is kept which answered so far")


@handler("promote")
async def promote(context: TaskContext, parameters: PromoteParameters) -> JsonValue:
    """Let a shadow answer: {collection, answering, before, keep_until}. One compare-and-set; no query waits for it."""
    bus = context.resources.require_bus()
    opened = await parameters.open(bus)
    if opened.migration.state is MigrationState.ROLLED_BACK:
        raise ConflictError(f"this migration of {opened.users.name!r} was rolled back; begin a new one")
    keep_until = opened.migration.keep_until or datetime.now(UTC) + timedelta(hours=parameters.keep_hours)
    # Before the switch: after a crash in between it is known, too, how long the old copy is to be kept.
    migration = await Migrations(bus).change(
        opened.migration, lambda present: present.model_copy(update={"keep_until": present.keep_until or keep_until})
    )
    migration = await switch_over(bus, migration, by=f"run {context.run}")
    return {
        "collection": migration.collection,
        "answering": migration.shadow,
        "before": migration.source,
        "keep_until": None if migration.keep_until is None else migration.keep_until.isoformat(),
    }
