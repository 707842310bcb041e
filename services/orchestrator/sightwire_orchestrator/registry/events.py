"""What is told of registered models, and kept until the bus has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sightwire.contracts import subjects
from sightwire.contracts.models import AliasMove, ModelPromoted, ModelRegistered, ModelRolledBack, ModelVersion
from sightwire_orchestrator.registry.tables import model_events
from sightwire_orchestrator.storage.database import Database


class ModelEventKind(StrEnum):
    """What happened."""

    REGISTERED = "registered"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"

    @property
    def subject(self) -> str:
        """Where it is told."""
        return _SUBJECTS[self]


_SUBJECTS = {
    ModelEventKind.REGISTERED: subjects.MODELS_REGISTERED,
    ModelEventKind.PROMOTED: subjects.MODELS_PROMOTED,
    ModelEventKind.ROLLED_BACK: subjects.MODELS_ROLLED_BACK,
}


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """An event to be published."""

    kind: ModelEventKind
    #: The version or the alias.
    about: str
    #: The same however often it is published.
    id: str
    document: str


def registered_event(model: ModelVersion) -> ModelEvent:
    """What is told of a new version."""
    told = ModelRegistered(
        model=model.id,
        space=model.space,
        bundle_sha256=model.bundle_sha256,
        by=model.registered_by,
        at=model.registered_at,
    )
    return ModelEvent(ModelEventKind.REGISTERED, str(model.id), f"{model.id}.registered", told.model_dump_json())


def moved_event(move: AliasMove, space: str, *, is_rollback: bool) -> ModelEvent:
    """What is told of an alias that got a version."""
    told = ModelRolledBack(move=move, space=space) if is_rollback else ModelPromoted(move=move, space=space)
    kind = ModelEventKind.ROLLED_BACK if is_rollback else ModelEventKind.PROMOTED
    alias = f"{move.name}@{move.alias}"
    return ModelEvent(kind, alias, f"{alias}.{move.revision}", told.model_dump_json())


async def add_event(connection: AsyncConnection, event: ModelEvent) -> None:
    """Keeps an event, in the transaction of what it tells."""
    await connection.execute(
        model_events.insert(),
        {"kind": event.kind.value, "about": event.about, "id": event.id, "document": event.document},
    )


class ModelEventStore:
    """Events that the bus does not have yet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, limit: int) -> list[ModelEvent]:
        """The first ones, in the order in which they happened."""
        statement = select(model_events).order_by(model_events.c.number).limit(limit)
        async with self._database.session(read_only=True) as connection:
            rows = await connection.execute(statement)
            return [ModelEvent(ModelEventKind(row.kind), row.about, row.id, row.document) for row in rows]

    async def remove(self, events: Sequence[ModelEvent]) -> None:
        """Forgets events that the bus has."""
        async with self._database.session() as connection:
            await connection.execute(model_events.delete().where(model_events.c.id.in_([event.id for event in events])))
