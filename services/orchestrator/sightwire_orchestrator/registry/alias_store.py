"""Aliases in the database: the moves of each, of which the last one counts."""

from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sightwire.contracts.models import AliasMove, ModelId
from sightwire.errors import ConflictError, NotFoundError
from sightwire_orchestrator.registry.events import add_event, moved_event
from sightwire_orchestrator.registry.tables import alias_moves, model_versions
from sightwire_orchestrator.storage.database import Database


class AliasStore:
    """What aliases of models mean, and meant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self, name: str) -> dict[str, AliasMove]:
        """The aliases that a model has, each with its last move; by name."""
        async with self._database.session(read_only=True) as connection:
            return await current_aliases(connection, name)

    async def all_current(self) -> dict[str, dict[str, AliasMove]]:
        """The aliases that models have, by model and name."""
        async with self._database.session(read_only=True) as connection:
            moves = await _current(connection, None)
        found: dict[str, dict[str, AliasMove]] = {}
        for move in moves:
            found.setdefault(move.name, {})[move.alias] = move
        return found

    async def history(self, name: str, alias: str) -> list[AliasMove]:
        """All moves of an alias, the last one first."""
        statement = (
            select(alias_moves)
            .where(alias_moves.c.name == name, alias_moves.c.alias == alias)
            .order_by(alias_moves.c.revision.desc())
        )
        async with self._database.session(read_only=True) as connection:
            return [_move(row) for row in await connection.execute(statement)]

    async def append(self, move: AliasMove, *, is_rollback: bool) -> None:
        """Stores a move if its `revision` is the next one of the alias, and keeps what is to be told of it.

        Raises:
            ConflictError: the alias was moved meanwhile, or the version is deprecated.
            NotFoundError: the version is not registered.
        """
        try:
            async with self._database.session() as connection:
                if move.version is not None:
                    space = await _usable_space(connection, ModelId(name=move.name, version=move.version))
                    await add_event(connection, moved_event(move, space, is_rollback=is_rollback))
                await connection.execute(alias_moves.insert(), _row(move))
        except IntegrityError as error:
            raise ConflictError(f"alias {move.alias!r} of {move.name!r} was moved meanwhile; read it again") from error


async def current_aliases(connection: AsyncConnection, name: str) -> dict[str, AliasMove]:
    """The aliases that a model has, each with its last move; by name."""
    return {move.alias: move for move in await _current(connection, name)}


async def _current(connection: AsyncConnection, name: str | None) -> list[AliasMove]:
    of_model = [] if name is None else [alias_moves.c.name == name]
    last = (
        select(alias_moves.c.name, alias_moves.c.alias, func.max(alias_moves.c.revision).label("revision"))
        .where(*of_model)
        .group_by(alias_moves.c.name, alias_moves.c.alias)
        .subquery()
    )
    is_last = (
        (alias_moves.c.name == last.c.name)
        & (alias_moves.c.alias == last.c.alias)
        & (alias_moves.c.revision == last.c.revision)
    )
    statement = (
        select(alias_moves)
        .join(last, is_last)
        .where(alias_moves.c.version.is_not(None))
        .order_by(alias_moves.c.name, alias_moves.c.alias)
    )
    return [_move(row) for row in await connection.execute(statement)]


async def _usable_space(connection: AsyncConnection, id_: ModelId) -> str:
    # Locked, so that it is not deprecated at the same moment.
    statement = (
        select(model_versions.c.space, model_versions.c.is_deprecated)
        .where(model_versions.c.name == id_.name, model_versions.c.version == id_.version)
        .with_for_update()
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no model {id_}")
    if row.is_deprecated:
        raise ConflictError(f"{id_} is deprecated and gets no alias")
    space: str = row.space
    return space


def _row(move: AliasMove) -> dict[str, Any]:
    return {
        "name": move.name,
        "alias": move.alias,
        "revision": move.revision,
        "version": move.version,
        "previous": move.previous,
        "moved_by": move.by,
        "reason": move.reason,
        "moved_at": move.at,
    }


def _move(row: Row[Any]) -> AliasMove:
    return AliasMove(
        name=row.name,
        alias=row.alias,
        revision=row.revision,
        version=row.version,
        previous=row.previous,
        by=row.moved_by,
        reason=row.reason,
        at=row.moved_at,
    )
