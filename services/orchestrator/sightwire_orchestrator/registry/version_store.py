"""Registered versions in the database."""

from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sightwire.contracts.models import ModelId, ModelVersion
from sightwire.errors import ConflictError, NotFoundError
from sightwire_orchestrator.registry.alias_store import current_aliases
from sightwire_orchestrator.registry.events import add_event, registered_event
from sightwire_orchestrator.registry.tables import model_versions
from sightwire_orchestrator.storage.database import Database


class VersionStore:
    """Versions of models; what is registered of their files never changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, model: ModelVersion) -> None:
        """Stores a new version, and keeps what is to be told of it.

        Raises:
            ConflictError: it is there already, or another version of the model came at the same moment.
        """
        numbers = select(func.coalesce(func.max(model_versions.c.number), 0)).where(_is_of(model.id.name))
        try:
            async with self._database.session() as connection:
                last: int = (await connection.execute(numbers)).scalar_one()
                await connection.execute(
                    model_versions.insert(),
                    {"name": model.id.name, "version": model.id.version, "number": last + 1} | _changing(model),
                )
                await add_event(connection, registered_event(model))
        except IntegrityError as error:
            raise ConflictError(
                f"{model.id} exists already, or another version of {model.id.name!r} came at the same moment"
            ) from error

    async def find(self, id_: ModelId) -> ModelVersion | None:
        """A version, None if it is not registered."""
        found = await self._found(select(model_versions).where(_is(id_)))
        return found[0] if found else None

    async def get(self, id_: ModelId) -> ModelVersion:
        """A version.

        Raises:
            NotFoundError: it is not registered.
        """
        found = await self.find(id_)
        if found is None:
            raise NotFoundError(f"there is no model {id_}; `sightwire models list` shows what is registered")
        return found

    async def newest(self, name: str) -> ModelVersion | None:
        """The version of a model that was registered last and is not deprecated."""
        statement = select(model_versions).where(_is_of(name), model_versions.c.is_deprecated.is_(False))
        found = await self._found(statement.order_by(model_versions.c.number.desc()).limit(1))
        return found[0] if found else None

    async def select(
        self, *, name: str | None, space: str | None, with_deprecated: bool, after: ModelId | None = None
    ) -> list[ModelVersion]:
        """Versions by name, the newest of each first; those that follow `after` in that order."""
        statement = select(model_versions).order_by(model_versions.c.name, model_versions.c.number.desc())
        if name is not None:
            statement = statement.where(_is_of(name))
        if space is not None:
            statement = statement.where(model_versions.c.space == space)
        if after is not None:
            statement = statement.where(_follows(after))
        if not with_deprecated:
            statement = statement.where(model_versions.c.is_deprecated.is_(False))
        return await self._found(statement)

    async def replace(self, model: ModelVersion) -> ModelVersion:
        """Stores other notes of a version that was read before; returns it as it is stored.

        Raises:
            ConflictError: it was changed since it was read.
        """
        async with self._database.session() as connection:
            return await _replace(connection, model)

    async def deprecate(self, model: ModelVersion) -> ModelVersion:
        """Stores the deprecation of a version that was read before, unless an alias means it.

        Raises:
            ConflictError: an alias does, or the version was changed since it was read.
        """
        async with self._database.session() as connection:
            # First: from here on no alias is moved to it.
            deprecated = await _replace(connection, model)
            current = await current_aliases(connection, model.id.name)
            aliases = [alias for alias, move in current.items() if move.version == model.id.version]
            if aliases:
                raise ConflictError(f"{model.id} is {' and '.join(aliases)}; move the alias to another version first")
        return deprecated

    async def _found(self, statement: Select[Any]) -> list[ModelVersion]:
        async with self._database.session(read_only=True) as connection:
            return [_model(row) for row in await connection.execute(statement)]


async def _replace(connection: AsyncConnection, model: ModelVersion) -> ModelVersion:
    changed = model.model_copy(update={"revision": model.revision + 1})
    unchanged = model_versions.c.revision == model.revision
    statement = model_versions.update().where(_is(model.id), unchanged).values(**_changing(changed))
    if (await connection.execute(statement)).rowcount != 1:
        raise ConflictError(f"{model.id} was changed since revision {model.revision}; read it again")
    return changed


def _is_of(name: str) -> Any:
    return model_versions.c.name == name


def _is(id_: ModelId) -> Any:
    return (model_versions.c.name == id_.name) & (model_versions.c.version == id_.version)


def _follows(id_: ModelId) -> Any:
    number = select(model_versions.c.number).where(_is(id_)).scalar_subquery()
    return (model_versions.c.name > id_.name) | (_is_of(id_.name) & (model_versions.c.number < number))


def _changing(model: ModelVersion) -> dict[str, Any]:
    return {
        "space": model.space,
        "is_deprecated": model.deprecation is not None,
        "revision": model.revision,
        "document": model.model_dump_json(),
    }


def _model(row: Row[Any]) -> ModelVersion:
    return ModelVersion.model_validate_json(row.document)
