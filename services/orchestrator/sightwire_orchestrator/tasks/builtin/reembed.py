"""`reembed`: all items of a collection, embedded into its shadow, behind whatever people ask for."""

from pydantic import Field, JsonValue, NonNegativeInt, PositiveFloat, PositiveInt

from sightwire.contracts.migrations import Coverage, Filling
from sightwire_orchestrator.migrations.covering import cover
from sightwire_orchestrator.migrations.filling import fill
from sightwire_orchestrator.migrations.pace import Pace
from sightwire_orchestrator.migrations.searching import open_searchers
from sightwire_orchestrator.tasks.builtin.migration_parameters import MigrationParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import handler


class ReembedParameters(MigrationParameters):
    """Which migration, how fast, and how complete."""

    items_per_second: PositiveFloat | None = Field(default=None, description="None: as many as the embedders can")
    max_waiting: PositiveInt = Field(default=32, description="Messages for the shadow that may wait, of 32 items each")
    max_ingest_lag: NonNegativeInt = Field(
        default=100, description="While more messages of people wait to be embedded, none is sent"
    )
    max_rounds: PositiveInt = Field(
        default=20, description="Comparisons in which an item may lack, after which it is given up"
    )
    allowed_missing: NonNegativeInt = Field(
        default=0, description="Items that may lack, such as those that the new model cannot embed"
    )


@handler("reembed")
async def reembed(context: TaskContext, parameters: ReembedParameters) -> JsonValue:
    """Fill a shadow until it has all items: {sent, rounds, items, shadow_items, missing, surplus}.

    A later attempt goes on where the one before had come to; once all were sent it only compares.
    """
    bus = context.resources.require_bus()
    opened = await parameters.open(bus)

    def told(filling: Filling) -> None:
        done = filling.sent - filling.waiting
        context.progress("embedding anew", done=done, total=filling.total, unit="items")

    def compared(coverage: Coverage) -> None:
        done = coverage.items - min(coverage.missing, coverage.items)
        context.progress("comparing", done=done, total=coverage.items, unit="items")

    pace = Pace(parameters.max_waiting, parameters.max_ingest_lag, parameters.items_per_second)
    async with open_searchers(bus) as searchers:
        filling = await fill(bus, opened, searchers, pace, on_progress=told)
        coverage, rounds = await cover(
            bus,
            opened,
            searchers,
            max_rounds=parameters.max_rounds,
            allowed_missing=parameters.allowed_missing,
            on_progress=compared,
        )
    return {
        "sent": filling.sent,
        "rounds": rounds,
        "items": coverage.items,
        "shadow_items": coverage.shadow_items,
        "missing": coverage.missing,
        "surplus": coverage.surplus,
    }
