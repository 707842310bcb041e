"""Looks after migrations whose runs have ended, and after the copies that they left."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final, assert_never

from sightwire.bus.connection import Bus
from sightwire.bus.embedding_models import EmbeddingModels
from sightwire.bus.migrations import Migrations
from sightwire.bus.watching import read_bucket
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.contracts.streams import COLLECTIONS
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConflictError, NotFoundError
from sightwire_orchestrator.migrations.giving_up import abandon, drop_shadow, retire
from sightwire_orchestrator.migrations.keeping import Step, next_step
from sightwire_orchestrator.migrations.loaded_models import loaded_by, unload_if_unused
from sightwire_orchestrator.migrations.switch_over import mark_promoted, mark_rolled_back
from sightwire_orchestrator.repeating import again_and_again
from sightwire_orchestrator.storage.run_store import RunStore

logger = logging.getLogger(__name__)


_TENDING_SECONDS: Final = 5.0


class MigrationKeeper:
    """What the active orchestrator does about migrations besides carrying their runs on."""

    def __init__(self, bus: Bus, runs: RunStore) -> None:
        self._bus = bus
        self._runs = runs
        self._migrations = Migrations(bus)

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Looks after migrations while the block runs."""
        keeping = asyncio.create_task(
            again_and_again(self.tend, "looking after migrations", seconds=_TENDING_SECONDS), name="keep migrations"
        )
        try:
            yield
        finally:
            await end_tasks(keeping)

    async def tend(self) -> None:
        """Does what is to be done about each migration.

        Raises:
            UnavailableError: bus or database do not answer; the next time goes on.
        """
        migrations = await self._migrations.all()
        if not migrations:
            return
        records = await self._collections()
        for migration in migrations:
            step = next_step(
                migration,
                records.get(migration.collection),
                shadow_exists=migration.shadow in records,
                run_ended=migration.state is not MigrationState.RUNNING or await self._has_ended(migration.run),
                now=datetime.now(UTC),
            )
            if step is not Step.NOTHING:
                await self._attempt(migration, step)
        await self._unload_unused(migrations)

    async def _attempt(self, migration: Migration, step: Step) -> None:
        logger.info("a migration is looked after", extra={"shadow": migration.shadow, "step": step.name})
        try:
            await self._do(migration, step)
        except ConflictError as error:
            # Somebody was faster: the next time it looks otherwise.
            logger.info("a migration changed meanwhile", extra={"shadow": migration.shadow, "reason": error.detail})

    async def _do(self, migration: Migration, step: Step) -> None:
        match step:
            case Step.NOTHING:
                return
            case Step.ABANDON:
                reason = f"run {migration.run} ended without a promotion"
                await abandon(self._bus, migration, reason=reason)
            case Step.DROP_SHADOW:
                await drop_shadow(self._bus, migration.shadow)
            case Step.MARK_PROMOTED:
                await mark_promoted(self._bus, migration)
            case Step.MARK_ROLLED_BACK:
                await mark_rolled_back(self._bus, migration, "rolled back")
            case Step.RETIRE:
                await retire(self._bus, migration)
            case Step.FORGET:
                await self._migrations.forget(migration)
            case _:
                assert_never(step)

    async def _unload_unused(self, migrations: Sequence[Migration]) -> None:
        """Has embedders give up models that migrations loaded and no collection has vectors of."""
        loaded = {(model.model, model.requested_by) for model in await EmbeddingModels(self._bus).all()}
        mine = [one for one in migrations if (one.model, loaded_by(one.run)) in loaded]
        if not mine:
            return
        spaces = {record.space for record in (await self._collections()).values() if record.has_index}
        for migration in mine:
            if migration.state is not MigrationState.RUNNING and migration.space not in spaces:
                await unload_if_unused(self._bus, migration.model, run=migration.run)

    async def _collections(self) -> dict[str, CollectionRecord]:
        entries = await read_bucket(self._bus, COLLECTIONS)
        return {entry.key: CollectionRecord.model_validate_json(entry.value or b"") for entry in entries}

    async def _has_ended(self, run: str) -> bool:
        try:
            return (await self._runs.get(run)).state.is_final
        except NotFoundError:
            return True
