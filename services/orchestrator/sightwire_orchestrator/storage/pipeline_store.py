"""Definitions of pipelines by name and version. A version, once stored, never changes."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Row, func, select
from sqlalchemy.exc import IntegrityError

from sightwire.contracts.pipelines import PipelineDefinition
from sightwire.errors import ConflictError, NotFoundError
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.tables import pipelines


@dataclass(frozen=True, slots=True)
class StoredPipeline:
    """A definition as it is stored; `number` counts the versions of its name from 1, in the order they came."""

    definition: PipelineDefinition
    number: int
    sha256: str
    registered_at: datetime


class PipelineStore:
    """Definitions in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, definition: PipelineDefinition) -> StoredPipeline:
        """Stores a definition; the same one again changes nothing.

        Raises:
            ConflictError: another definition has this name and version, or another version came at the same moment.
        """
        try:
            async with self._database.session() as connection:
                same_version = _SELECT.where(
                    pipelines.c.name == definition.name, pipelines.c.version == definition.version
                )
                present = (await connection.execute(same_version)).one_or_none()
                if present is None:
                    numbers = select(func.coalesce(func.max(pipelines.c.number), 0))
                    last: int = (
                        await connection.execute(numbers.where(pipelines.c.name == definition.name))
                    ).scalar_one()
                    document = _canonical(definition)
                    sha256 = hashlib.sha256(document.encode()).hexdigest()
                    stored = StoredPipeline(definition, last + 1, sha256, datetime.now(UTC))
                    await connection.execute(pipelines.insert(), _row(stored, document))
                    return stored
        except IntegrityError as error:
            raise ConflictError(
                f"another version of pipeline {definition.name!r} was stored at the same moment; try again"
            ) from error
        stored = _stored(present)
        # Not their sha256: that changes when definitions get another optional member.
        if stored.definition != definition:
            raise ConflictError(
                f"version {definition.version!r} of pipeline {definition.name!r} exists already with another content; "
                "a version never changes, so give this one another `version`"
            )
        return stored

    async def get(self, name: str, version: str | None = None) -> StoredPipeline:
        """A definition; without a version the one that was stored last.

        Raises:
            NotFoundError: there is none.
        """
        statement = _SELECT.where(pipelines.c.name == name).order_by(pipelines.c.number.desc()).limit(1)
        if version is not None:
            statement = statement.where(pipelines.c.version == version)
        async with self._database.session(read_only=True) as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no pipeline {name!r}{'' if version is None else f' of version {version!r}'}")
        return _stored(row)

    async def newest(self) -> list[StoredPipeline]:
        """The newest version of each pipeline, by name."""
        newest = (
            select(pipelines.c.name, func.max(pipelines.c.number).label("number")).group_by(pipelines.c.name).subquery()
        )
        statement = _SELECT.join(
            newest, (pipelines.c.name == newest.c.name) & (pipelines.c.number == newest.c.number)
        ).order_by(pipelines.c.name)
        async with self._database.session(read_only=True) as connection:
            return [_stored(row) for row in await connection.execute(statement)]

    async def versions(self, name: str) -> list[StoredPipeline]:
        """All versions of a pipeline, the newest first; empty when there is no such pipeline."""
        statement = _SELECT.where(pipelines.c.name == name).order_by(pipelines.c.number.desc())
        async with self._database.session(read_only=True) as connection:
            return [_stored(row) for row in await connection.execute(statement)]


_SELECT = select(pipelines)


def _canonical(definition: PipelineDefinition) -> str:
    """The same text for the same definition, however its file spells it."""
    return json.dumps(definition.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def _row(stored: StoredPipeline, document: str) -> dict[str, object]:
    return {
        "name": stored.definition.name,
        "version": stored.definition.version,
        "number": stored.number,
        "sha256": stored.sha256,
        "document": document,
        "registered_at": stored.registered_at,
    }


def _stored(row: Row[tuple[object, ...]]) -> StoredPipeline:
    return StoredPipeline(
        PipelineDefinition.model_validate_json(row.document), row.number, row.sha256, row.registered_at
    )
