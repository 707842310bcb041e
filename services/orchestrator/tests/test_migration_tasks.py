"""Tasks of migrations on a real bus, beside a real embedder: stopped at any place, repeated, given up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sightwire_orchestrator.migrations.keeper import MigrationKeeper
from sightwire_orchestrator.migrations.shadow_records import shadow_name
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.run_store import RunStore
from sightwire_orchestrator.tasks.errors import InvalidParametersError, OperationFailedError
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import open_resources

from services.embedder.tests.models_world import NEW, ModelsWorld, models_world
from services.orchestrator.tests.task_world import TaskWorld, task_settings
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.migrations import Migrations
from sightwire.contracts import subjects
from sightwire.contracts.collections import Canary, CollectionRecord
from sightwire.contracts.migrations import CanaryObservation, Migration, MigrationState
from sightwire.errors import ConflictError, InvalidInputError, UnknownCollectionError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(180)

#: Seconds after which an attempt is stopped, wherever it is then.
STOPS = (0.0, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.02)


@dataclass
class MigrationWorld:
    """Tasks, and what they work on."""

    tasks: TaskWorld
    models: ModelsWorld
    bus: Bus
    registry: CollectionRegistry
    migrations: Migrations
    keeper: MigrationKeeper

    async def prepare(self, collection: str, run: str, **changes: Any) -> dict[str, Any]:
        model = {"name": "small", "version": "2", "space": NEW}
        output: dict[str, Any] = await self.tasks.run(
            "prepare_shadow", {"collection": collection, **model}, run=run, **changes
        )
        return output

    async def prepared(self, collection: str, run: str = "r1") -> tuple[CollectionRecord, Migration]:
        """A collection and its migration, once its shadow was prepared."""
        users = (await self.models.collection(collection)).record
        output = await self.prepare(collection, run)
        return users, await self.migrations.get(collection, output["shadow"])

    async def change(self, migration: Migration, **changes: Any) -> Migration:
        return await self.migrations.change(migration, lambda present: present.model_copy(update=changes))

    async def exists(self, name: str) -> bool:
        try:
            await self.registry.get(name)
        except UnknownCollectionError:
            return False
        return True


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    module_nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MigrationWorld]:
    folder: Path = tmp_path_factory.mktemp("migrations")
    database = Database(f"sqlite:///{folder}/orchestrator.db")
    async with models_world(module_nats_server, folder) as models:
        await models.load_new()
        settings = task_settings(embedder_address=f"127.0.0.1:{models.embedder.port}")
        async with open_resources(settings, bus=models.bus) as resources:
            await database.open()
            yield MigrationWorld(
                TaskWorld(resources, HandlerRegistry.with_builtin_types()),
                models,
                models.bus,
                CollectionRegistry(models.bus),
                Migrations(models.bus),
                MigrationKeeper(models.bus, RunStore(database)),
            )
            await database.close()


async def test_a_shadow_is_prepared_once_wherever_attempts_are_stopped(world: MigrationWorld, unique_name):
    users = (await world.models.collection(unique_name("photos"))).record
    for seconds in STOPS:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await world.prepare(users.name, "r1")
    one, other = await asyncio.gather(world.prepare(users.name, "r1"), world.prepare(users.name, "r1", attempt=2))
    assert one == other
    name = shadow_name(users.name, "r1")
    assert (one["shadow"], one["source"], one["space"], one["dimension"]) == (name, users.name, NEW, 7)
    shadow = await world.registry.get(name)
    assert {field: shadow.dimension(field) for field in shadow.spec.fields} == {"image": 7, "text": 7, "mine": 3}
    assert (await world.registry.get(users.name)).shadows == (name,)
    assert [known.shadow for known in await world.migrations.all(users.name)] == [name]
    # New items get there from now on.
    assert world.models.directory.passing_on_to(name)


async def test_a_second_migration_is_refused_until_the_first_one_is_over(world: MigrationWorld, unique_name):
    users, first = await world.prepared(unique_name("photos"))
    with pytest.raises(ConflictError, match="already"):
        await world.prepare(users.name, "r2")
    assert not await world.exists(shadow_name(users.name, "r2"))
    await world.change(first, state=MigrationState.PROMOTED)
    await world.registry.change(users.name, lambda record: record.model_copy(update={"answering": first.shadow}))
    with pytest.raises(InvalidInputError, match="already"):
        await world.prepare(users.name, "r3")


async def test_promotion_is_one_step_and_can_be_repeated_and_undone(world: MigrationWorld, unique_name):
    users, migration = await world.prepared(unique_name("photos"))
    which = {"collection": users.name, "shadow": migration.shadow}
    for seconds in STOPS:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await world.tasks.run("promote", which)
    output = await world.tasks.run("promote", which)
    assert (output["answering"], output["before"]) == (migration.shadow, users.name)
    assert (await world.registry.get(users.name)).answering == migration.shadow
    promoted = await world.migrations.get(users.name, migration.shadow)
    assert promoted.state is MigrationState.PROMOTED
    assert promoted.keep_until is not None
    assert promoted.keep_until - datetime.now(UTC) > timedelta(days=6)
    assert (await world.tasks.run("promote", which)) == output
    with pytest.raises(ConflictError, match="rollback"):
        await world.tasks.run("abandon_migration", which)

    back = await world.tasks.run("roll_back_collection", which)
    assert (await world.tasks.run("roll_back_collection", which)) == back
    assert back["state"] == "rolled_back"
    assert (await world.registry.get(users.name)).answering is None
    # An attempt of long ago that comes only now does not promote it again.
    with pytest.raises(ConflictError, match="rolled back"):
        await world.tasks.run("promote", which)


async def observe(world: MigrationWorld, migration: Migration, **members: Any) -> None:
    seen = {"query": "q", "answered_by_shadow": True, "overlap": 0.6, "seconds": 0.02, "shadow_seconds": 0.02}
    observation = CanaryObservation.model_validate(
        {
            "collection": migration.collection,
            "shadow": migration.shadow,
            "observed_at": datetime.now(UTC),
            **seen,
            **members,
        }
    )
    await world.bus.client.publish(subjects.canary(migration.collection), observation.model_dump_json().encode())


async def test_a_canary_ends_with_its_queries_and_is_never_left_behind(
    world: MigrationWorld, unique_name, eventually: Eventually
):
    users, migration = await world.prepared(unique_name("photos"))
    which = {"collection": users.name, "shadow": migration.shadow, "share": 0.25}

    async def shares() -> float | None:
        canary = (await world.registry.get(users.name)).canary
        return None if canary is None else canary.share

    watching = asyncio.create_task(world.tasks.run("canary", {**which, "queries": 25}))
    await eventually(shares)
    assert await shares() == 0.25
    for _ in range(25):
        await observe(world, migration)
    report = await watching
    assert (report["queries"], report["errors"], report["overlap"]) == (25, 0, 0.6)
    assert await shares() is None

    failing = asyncio.create_task(world.tasks.run("canary", {**which, "queries": 25}))
    await eventually(shares)
    for _ in range(25):
        await observe(world, migration, shadow_error="away")
    with pytest.raises(OperationFailedError, match="25 of 25 queries failed"):
        await failing
    assert await shares() is None

    with pytest.raises(InvalidParametersError, match="can never have"):
        await world.tasks.run("canary", {**which, "queries": 19})
    with pytest.raises(OperationFailedError, match="says nothing"):
        await world.tasks.run("canary", {**which, "seconds": 0.6})
    stopped = asyncio.create_task(world.tasks.run("canary", which))
    await eventually(shares)
    stopped.cancel()
    await asyncio.gather(stopped, return_exceptions=True)
    assert await shares() is None


async def test_the_keeper_gives_up_what_runs_left_and_forgets_what_is_gone(world: MigrationWorld, unique_name):
    # No run is known to the keeper: they have all ended.
    users, migration = await world.prepared(unique_name("photos"))
    await world.registry.change(
        users.name,
        lambda record: record.model_copy(update={"canary": Canary(shadow=migration.shadow, share=0.5)}),
    )
    await world.keeper.tend()
    assert await world.registry.get(users.name) == users
    assert not await world.exists(migration.shadow)
    assert (await world.migrations.get(users.name, migration.shadow)).state is MigrationState.ABANDONED
    with pytest.raises(ConflictError, match="abandoned"):
        await world.prepare(users.name, "r1")
    await world.registry.delete(users.name)
    await world.keeper.tend()
    assert await world.migrations.all(users.name) == []


async def test_copies_are_kept_as_long_as_they_are_to_be(world: MigrationWorld, unique_name):
    users, migration = await world.prepared(unique_name("photos"))
    which = {"collection": users.name, "shadow": migration.shadow}
    await world.tasks.run("promote", {**which, "keep_hours": 1})
    await world.keeper.tend()
    assert (await world.registry.get(users.name)).has_index
    await world.change(migration, keep_until=datetime.now(UTC))
    await world.keeper.tend()
    record = await world.registry.get(users.name)
    assert (record.has_index, record.answering, record.shadows) == (False, migration.shadow, (migration.shadow,))
    retired = await world.migrations.get(users.name, migration.shadow)
    assert retired.retired_at is not None
    with pytest.raises(ConflictError, match="no migration"):
        await world.tasks.run("roll_back_collection", which)
