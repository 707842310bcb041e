"""A collection moves to another model while people search it and put, change and delete its items."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.embedder.tests.small_bundles import make_small_bundle
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.embedding_models import EmbeddingModels
from sightwire.bus.migrations import Migrations
from sightwire.bus.watching import read_bucket
from sightwire.client import AsyncSightwire
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.contracts.pipelines import PipelineRunState
from sightwire.contracts.reviews import Reviewer
from sightwire.contracts.streams import COLLECTIONS
from sightwire.platform.ports import find_free_port
from sightwire.platform.running_platform import PlatformOptions, RunningPlatform, run_platform
from sightwire.platform.supervised_process import ProcessState
from sightwire.settings import SharedSettings
from tests.e2e.traffic import CAPTIONS, ITEMS, item, labelled, listed, traffic
from tests.plugin.command_line import CommandLine
from tests.plugin.waiting import Eventually

DIMENSIONS = {"1": 24, "2": 32, "3": 1}
FIELDS = {"image": {"source": "image"}, "text": {"source": "text"}, "own": {"source": "user", "dimension": 3}}

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model that the platform starts with, another one, and one that tells hardly anything apart."""
    folder = tmp_path_factory.mktemp("bundles")
    return {version: make_small_bundle(folder, version, dimension=size) for version, size in DIMENSIONS.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def platform(tmp_path_factory, bundles: dict[str, Path]) -> AsyncIterator[RunningPlatform]:
    options = PlatformOptions(tmp_path_factory.mktemp("migration"), port=find_free_port(), bundle=bundles["1"])
    async with run_platform(options) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus(platform: RunningPlatform) -> AsyncIterator[Bus]:
    access = platform.nats
    settings = SharedSettings.model_validate(
        {"nats_url": access.url, "nats_user": access.user, "nats_password": access.password}
    )
    async with Bus(settings, name="test") as bus:
        yield bus


@pytest_asyncio.fixture(loop_scope="session")
async def client(platform: RunningPlatform) -> AsyncIterator[AsyncSightwire]:
    async with AsyncSightwire(platform.gateway_url, timeout=30) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def collection(client: AsyncSightwire, unique_name: Callable[..., str], eventually: Eventually) -> str:
    name = unique_name("photos")
    await client.collections.create(name, fields=FIELDS)
    answer = await client.items.put_many(name, [item(number) for number in range(ITEMS)])
    assert not answer.failed

    async def all_are_there() -> bool:
        return len(await listed(client, name)) == ITEMS

    await eventually(all_are_there, deadline=60)
    return name


async def users_record(bus: Bus, collection: str) -> CollectionRecord:
    return await CollectionRegistry(bus).get(collection)


async def last_migration(bus: Bus, collection: str) -> Migration:
    return (await Migrations(bus).all(collection))[0]


async def shadows(bus: Bus, collection: str) -> list[str]:
    records = [
        CollectionRecord.model_validate_json(entry.value or b"") for entry in await read_bucket(bus, COLLECTIONS)
    ]
    return [record.name for record in records if record.shadow_of == collection]


async def test_a_collection_moves_and_goes_back_while_it_is_used(
    client: AsyncSightwire,
    sightwire: CommandLine,
    bus: Bus,
    collection: str,
    bundles: dict[str, Path],
    tmp_path: Path,
    eventually: Eventually,
) -> None:
    async with traffic(client, collection) as going:
        await going.goes_on(eventually)
        begun = await sightwire.json(
            *("models", "migrate", collection, "--to", bundles["2"], "--queries", labelled(tmp_path)),
            *("--canary", "50%", "--set", "canary_queries=30"),
            # Other tests share the machine.
            *("--set", "canary_thresholds={max_latency_ratio: 50}"),
        )
        report = await client.runs.wait(begun["run"], timeout=300)
        results: dict[str, Any] = report.results
        assert report.state is PipelineRunState.SUCCEEDED, report.error
        assert results["model"] == "small:2"
        assert results["canary"]["queries"] >= 30
        assert results["quality"]["after"]["recall"] >= 0.95
        migrated = await users_record(bus, collection)
        assert migrated.answering is not None
        assert (migrated.canary, migrated.has_index) == (None, True)
        await going.goes_on(eventually)
        assert (await last_migration(bus, collection)).state is MigrationState.PROMOTED

        told = await client.migrations.get(report.run)
        assert told.migration == await last_migration(bus, collection)
        reports = {gate.task: gate.report for gate in told.gates}
        assert (reports["quality"], reports["canary"]) == (results["quality"], results["canary"])
        assert None not in reports.values()

        await sightwire("models", "rollback", collection, "--reason", "a test")
        assert (await users_record(bus, collection)).answering is None
        [told] = await sightwire.json("models", "migrations", collection)
        assert (told["state"], told["reason"]) == ("rolled_back", "a test")
        await going.goes_on(eventually)
    assert going.problems == []
    assert migrated.name == collection

    async def as_put() -> bool:
        assert await listed(client, collection) == going.texts
        return True

    # What came in while the other model answered is there, too; and once.
    await eventually(as_put, deadline=60)
    kept = await client.items.get(collection, "item-65")
    assert kept["image"]["filename"] == "65.png"
    found = await client.search(collection, vector=("own", [1.0, 66.0, 2.0]), k=1)
    assert found.hits[0].id == "item-66"


async def test_a_model_that_finds_worse_is_stopped_at_the_gate(
    client: AsyncSightwire,
    sightwire: CommandLine,
    bus: Bus,
    collection: str,
    bundles: dict[str, Path],
    tmp_path: Path,
    eventually: Eventually,
) -> None:
    before = await users_record(bus, collection)
    said = await sightwire("models", "migrate", collection, "--to", bundles["1"], "--watch", fails=True)
    assert f"collection '{collection}' is in space 'small-1' already" in " ".join(said.split())

    begun = await sightwire.json(
        *("models", "migrate", collection, "--to", bundles["3"], "--queries", labelled(tmp_path)),
        *("--set", "gates={min_self_recall: 0, min_recall: 0}", "--set", "min_overlap=0"),
    )
    report = await client.runs.wait(begun["run"], timeout=180)
    assert (report.state, report.failed_task) == (PipelineRunState.FAILED, "quality")
    assert report.error is not None
    assert "finds worse" in report.error.detail
    await eventually(lambda: is_as_before(bus, before), deadline=60)
    # Nothing of it is left: no shadow, and no model that nobody uses.
    await eventually(lambda: is_unloaded(bus, "small-3"), deadline=60)
    assert (await client.search(collection, text=CAPTIONS[5], fields=["text"], k=3)).hits[0].id == "item-5"


async def is_as_before(bus: Bus, before: CollectionRecord) -> bool:
    return await users_record(bus, before.name) == before and not await shadows(bus, before.name)


async def is_unloaded(bus: Bus, space: str) -> bool:
    return all(model.space != space for model in await EmbeddingModels(bus).all())


async def test_a_rejected_migration_leaves_all_as_it_was_and_none_runs_beside_it(
    client: AsyncSightwire, bus: Bus, collection: str, bundles: dict[str, Path], eventually: Eventually
) -> None:
    before = await users_record(bus, collection)
    registered = await client.models.register({"kind": "folder", "path": str(bundles["2"])})
    wanted = {"collection": collection, "model": str(registered.model.id), "review": True}
    person = {"id": "ann", "name": "Ann", "email": "ann@example.org", "specializations": ["models"]}
    await client.reviewers.put(Reviewer.model_validate(person))
    run = (await client.pipelines.run("migrate-collection", wanted)).run

    async def asked() -> str | None:
        found = (await client.reviews.list(run=run)).reviews
        return found[0].id if found else None

    review = await eventually(asked, deadline=120)
    details = await client.reviews.get(review)
    assert details.review.input_data["value"]["model"] == "small:2"

    second = await client.runs.wait((await client.pipelines.run("migrate-collection", wanted)).run, timeout=60)
    assert second.error is not None
    assert (second.failed_task, second.error.code) == ("prepare", "conflict")
    assert len(await shadows(bus, collection)) == 1, "the first one goes on"

    await client.reviews.decide(review, "reject", comment="not yet", by="ann")
    ended = await client.runs.wait(run, timeout=60)
    assert (ended.state, ended.failed_task) == (PipelineRunState.FAILED, "approval")
    await eventually(lambda: is_as_before(bus, before), deadline=60)
    assert (await last_migration(bus, collection)).state is MigrationState.ABANDONED


async def test_a_killed_orchestrator_goes_on_filling_and_the_old_copy_goes_in_the_end(
    platform: RunningPlatform,
    client: AsyncSightwire,
    sightwire: CommandLine,
    bus: Bus,
    collection: str,
    bundles: dict[str, Path],
    eventually: Eventually,
) -> None:
    registered = await client.models.register({"kind": "folder", "path": str(bundles["2"])})
    wanted = {"collection": collection, "model": str(registered.model.id), "items_per_second": 40, "keep_hours": 0}
    run = (await client.pipelines.run("migrate-collection", wanted)).run

    async def filling() -> bool:
        known = await Migrations(bus).all(collection)
        return bool(known) and known[0].filling.sent > 0

    await eventually(filling, deadline=60)
    victim = platform.process("orchestrator")
    assert victim.process_id is not None
    os.kill(victim.process_id, signal.SIGKILL)
    await eventually(lambda: victim.restarts == 1 and victim.state is ProcessState.READY, deadline=60)
    ended = await client.runs.wait(run, timeout=180)
    assert ended.state is PipelineRunState.SUCCEEDED, ended.error

    async def is_retired() -> bool:
        return (await last_migration(bus, collection)).retired_at is not None

    await eventually(is_retired, deadline=60)
    record = await users_record(bus, collection)
    assert (record.has_index, record.answering) == (False, record.shadows[0])
    assert (await client.search(collection, text=CAPTIONS[5], fields=["text"], k=3)).hits[0].id == "item-5"
    assert len(await listed(client, collection)) == ITEMS
    assert await client.items.picture(collection, "item-65")

    # On to another one, whose old copy is a shadow itself, and back.
    first = await client.models.register({"kind": "folder", "path": str(bundles["1"])})
    wanted = {"collection": collection, "model": str(first.model.id)}
    ended = await client.runs.wait((await client.pipelines.run("migrate-collection", wanted)).run, timeout=180)
    assert ended.state is PipelineRunState.SUCCEEDED, ended.error
    again = await users_record(bus, collection)
    assert again.answering == ended.results["answering"] != record.answering
    assert (await client.search(collection, text=CAPTIONS[5], fields=["text"], k=3)).hits[0].id == "item-5"
    await sightwire("models", "rollback", collection)
    assert (await users_record(bus, collection)).answering == record.answering
    await sightwire("models", "rollback", collection, fails=True)
    assert len(await listed(client, collection)) == ITEMS


async def test_a_cancelled_migration_leaves_nothing(
    client: AsyncSightwire, bus: Bus, collection: str, bundles: dict[str, Path], eventually: Eventually
) -> None:
    before = await users_record(bus, collection)
    registered = await client.models.register({"kind": "folder", "path": str(bundles["2"])})
    wanted = {"collection": collection, "model": str(registered.model.id), "items_per_second": 5}
    run = (await client.pipelines.run("migrate-collection", wanted)).run
    await eventually(lambda: shadows(bus, collection), deadline=60)
    await client.runs.cancel(run, reason="a test")
    await eventually(lambda: is_as_before(bus, before), deadline=60)
    assert (await last_migration(bus, collection)).state is MigrationState.ABANDONED
