"""Answers requests on `control.migrations`, as long as this orchestrator is the active one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_never

from pydantic import BaseModel
from uuid_utils import uuid7

from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.migrations import Migrations
from sightwire.bus.responding import Responder
from sightwire.contracts import subjects
from sightwire.contracts.migration_control import (
    MIGRATIONS_REQUESTS,
    ListMigrations,
    MigrationList,
    MigrationReport,
    MigrationsRequest,
    ReadMigration,
    RollBackMigration,
    StartMigration,
)
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError
from sightwire_orchestrator.control.migration_reports import migration_report, of_run
from sightwire_orchestrator.control.reports import run_report
from sightwire_orchestrator.execution.engine import Engine
from sightwire_orchestrator.execution.progress import ProgressBoard
from sightwire_orchestrator.migrations.switch_over import roll_back
from sightwire_orchestrator.pipelines import MIGRATE_COLLECTION
from sightwire_orchestrator.registry.service import ModelRegistry


class MigrationsDesk:
    """Moves of collections to other models, for those who ask over the bus.

    Args:
        board: what running tasks tell.
    """

    def __init__(self, bus: Bus, engine: Engine, models: ModelRegistry, board: ProgressBoard) -> None:
        self._bus = bus
        self._engine = engine
        self._models = models
        self._board = board
        self._collections = CollectionRegistry(bus)
        self._migrations = Migrations(bus)

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answers requests while the block runs."""
        async with Responder(self._bus, subjects.CONTROL_MIGRATIONS, MIGRATIONS_REQUESTS, self.answer).answering():
            yield

    async def answer(self, request: MigrationsRequest) -> BaseModel:
        """What is asked for; see `sightwire.contracts.migration_control`."""
        match request:
            case ListMigrations():
                return await self._list(request)
            case ReadMigration():
                return await self._read(request.run)
            case StartMigration():
                return await self._start(request)
            case RollBackMigration():
                return await self._roll_back(request)
            case _:
                assert_never(request)

    async def _list(self, request: ListMigrations) -> MigrationList:
        known = await self._migrations.all(request.collection)
        found = [one for one in known if request.state in {None, one.state}]
        return MigrationList(migrations=tuple(found[: request.limit]))

    async def _read(self, run: str) -> MigrationReport:
        migration = of_run(await self._migrations.all(), run)
        plan, state = await self._engine.read(run)
        if migration is None and state.pipeline != MIGRATE_COLLECTION:
            raise NotFoundError(f"run {run!r} is of pipeline {state.pipeline!r} and has begun no migration")
        return migration_report(migration, run_report(plan, state, self._board))

    async def _start(self, request: StartMigration) -> MigrationReport:
        wanted = request.plan
        users = await self._collections.get(wanted.collection)
        if users.shadow_of is not None:
            raise InvalidInputError(f"{users.name!r} is a shadow of {users.shadow_of!r}; migrate that one")
        model = await self._models.get(wanted.model)
        # The steps look at this as well; said here, no run has to fail by it.
        if (await self._collections.get(users.index_name)).space == model.space:
            raise InvalidInputError(f"collection {users.name!r} is in space {model.space!r} already")
        for other in await self._migrations.all(users.name):
            if other.state is MigrationState.RUNNING and other.collection_uid == users.uid:
                raise ConflictError(
                    f"collection {users.name!r} moves to {other.model} already; wait for the end of run {other.run}, "
                    "or cancel it"
                )
        # An alias may mean another version by the time that it is loaded.
        parameters = {**wanted.parameters(), "model": str(model.id)}
        # Without a version: the one that this orchestrator came with is stored.
        plan, run = await self._engine.begin(MIGRATE_COLLECTION, None, parameters, request.run or uuid7().hex)
        return migration_report(None, run_report(plan, run, self._board))

    async def _roll_back(self, request: RollBackMigration) -> Migration:
        shadow = None
        if request.run is not None:
            meant = of_run(await self._migrations.all(request.collection), request.run)
            if meant is None:
                raise NotFoundError(f"run {request.run!r} is of no migration of collection {request.collection!r}")
            shadow = meant.shadow
        return await roll_back(self._bus, request.collection, by=request.by, shadow=shadow, reason=request.reason)
