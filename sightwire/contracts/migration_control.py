"""Requests to the orchestrator on `control.migrations`, by NATS request and reply, JSON both ways.

A migration is named by its run. What is refused comes as the code of its error (`not-found`, `conflict`,
`invalid-input`) and changes nothing.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, NonNegativeFloat, TypeAdapter

from sightwire.contracts.migration_plans import MigrationPlan
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.contracts.names import CollectionName
from sightwire.contracts.pipeline_control import RunReport
from sightwire.contracts.pipelines import RunId, TaskName, TaskState, TaskType


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListMigrations(_Request):
    """Answered by a MigrationList, the newest first. Those whose shadow is not made yet are not among them."""

    ask: Literal["migrations"] = "migrations"
    collection: CollectionName | None = None
    state: MigrationState | None = None
    limit: int = Field(default=100, ge=1, le=1000)


class ReadMigration(_Request):
    """Answered by its MigrationReport."""

    ask: Literal["migration"] = "migration"
    run: RunId


class StartMigration(_Request):
    """Begins a run of `migrate-collection`. Answered by its MigrationReport.

    Refused while the collection moves to another model already, or when it has vectors of the model's space.
    """

    ask: Literal["start"] = "start"
    plan: MigrationPlan
    run: RunId | None = Field(default=None, description="Its id; refused when there is one of this id; None: any")


class RollBackMigration(_Request):
    """Lets the index answer again that did before the last migration of a collection. Answered by that Migration."""

    ask: Literal["roll_back"] = "roll_back"
    collection: CollectionName
    run: RunId | None = Field(
        default=None,
        description="Refused when another migration was the last one, and nothing changes when it was rolled back "
        "already; None: whichever was the last one",
    )
    by: str = ""
    reason: str = ""


MigrationsRequest = ListMigrations | ReadMigration | StartMigration | RollBackMigration
MIGRATIONS_REQUESTS: TypeAdapter[MigrationsRequest] = TypeAdapter(
    Annotated[MigrationsRequest, Field(discriminator="ask")]
)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class MigrationList(_Answer):
    """Migrations, the newest first."""

    migrations: tuple[Migration, ...]


class MigrationGate(_Answer):
    """A step that ends a migration unless its shadow does well, and what it saw."""

    task: TaskName
    type: TaskType
    state: TaskState
    #: Figures, once it has succeeded.
    report: JsonValue = None
    #: Why it failed, with figures.
    error: str | None = None


class MigrationReport(_Answer):
    """How a migration stands: what is known of it, its run with all steps, its gates."""

    #: None: its shadow is not made yet, or never was.
    migration: Migration | None
    run: RunReport
    #: Until all items are sent for embedding, as fast as it goes now; None: not known, or they are.
    seconds_left: NonNegativeFloat | None = None
    #: In the order of the definition.
    gates: tuple[MigrationGate, ...] = ()
