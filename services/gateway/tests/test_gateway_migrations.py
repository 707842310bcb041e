"""Routes of migrations beside a real orchestrator, which begins and undoes them; what fills shadows is tested in
tests/e2e."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.http_gateway import RunningGateway, run_gateway
from services.gateway.tests.shadowed import SHADOW_SPACE, ShadowedCollection, make_shadowed
from services.gateway.tests.test_gateway_models import register
from services.gateway.tests.test_gateway_pipelines import on, submit_endless
from services.orchestrator.tests.made_bundles import make_bundle
from services.orchestrator.tests.orchestrator_world import OrchestratorWorld
from services.orchestrator.tests.sightwire_command import Sightwire as Command
from sightwire.bus.migrations import Migrations
from sightwire.client import ApiError, AsyncSightwire, Sightwire
from sightwire.contracts import subjects
from sightwire.contracts.migrations import Filling, Migration, MigrationState
from sightwire.contracts.models import ModelId
from sightwire.contracts.pipelines import PipelineRunState
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(180)

Names = Callable[[str], str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(
    world: OrchestratorWorld, module_nats_server: NatsServer, gateway_settings: SettingsFactory
) -> AsyncIterator[RunningGateway]:
    # No worker: the first step of a migration waits for ever.
    async with world.service(), run_gateway(on(module_nats_server, gateway_settings)) as gateway:
        yield gateway


@pytest_asyncio.fixture(loop_scope="session")
async def collection(running: RunningGateway, world: OrchestratorWorld, unique_name: Names) -> ShadowedCollection:
    return await make_shadowed(running, world.bus, unique_name("photos"))


@pytest_asyncio.fixture(loop_scope="session")
async def model(running: RunningGateway, tmp_path: Path, unique_name: Names) -> str:
    return await register(running, make_bundle(tmp_path, unique_name("tiny")))


async def stored(world: OrchestratorWorld, collection: ShadowedCollection, run: str, **members: Any) -> Migration:
    """The record of a migration whose shadow was made by hand."""
    migration = Migration(
        collection=collection.name,
        collection_uid=collection.record.uid,
        shadow=collection.shadow,
        source=collection.name,
        model=ModelId(name="new", version="2"),
        space=SHADOW_SPACE,
        run=run,
        started_at=datetime.now(UTC),
        **members,
    )
    return await Migrations(world.bus).create(migration)


async def begun(running: RunningGateway, collection: str, model: str, **parameters: Any) -> str:
    answer = await running.http.post("/v1/migrations", json={"collection": collection, "model": model, **parameters})
    assert answer.status_code == 202, answer.text
    run: str = answer.json()["run"]["run"]
    assert answer.headers["location"] == f"/v1/migrations/{run}"
    return run


async def test_a_migration_begins_and_is_followed(
    running: RunningGateway, world: OrchestratorWorld, collection: ShadowedCollection, model: str
) -> None:
    http = running.http
    run = await begun(running, collection.name, model.partition(":")[0], canary_share=0.1, review=True)
    address = f"/v1/migrations/{run}"
    told = (await http.get(address)).json()
    assert (told["migration"], told["seconds_left"]) == (None, None)
    assert told["run"]["parameters"] == {
        "collection": collection.name,
        "model": model,
        "canary_share": 0.1,
        "review": True,
    }
    assert [gate["task"] for gate in told["gates"]] == ["gates", "quality", "agreement", "canary"]
    assert {gate["state"] for gate in told["gates"]} == {"waiting"}

    await stored(world, collection, run, filling=Filling(sent=600, total=1000, waiting=100, rate=50))
    told = (await http.get(address)).json()
    assert (told["migration"]["state"], told["seconds_left"]) == ("running", 10.0)
    listed = (await http.get("/v1/migrations", params={"collection": collection.name, "state": "running"})).json()
    assert [migration["run"] for migration in listed["migrations"]] == [run]
    none = (await http.get("/v1/migrations", params={"collection": collection.name, "state": "promoted"})).json()
    assert none == {"migrations": []}
    printed = await Command(world)("models", "migration", run)
    assert "600" not in printed
    for said in ("500 of 1,000", "0:00:10", "agreement", "load_model"):
        assert said in printed

    second = await http.post("/v1/migrations", json={"collection": collection.name, "model": model})
    assert second.status_code == 409
    assert run in second.json()["detail"]
    await http.post(f"/v1/runs/{run}/cancel")


async def test_a_promoted_migration_is_undone_by_its_run(
    running: RunningGateway, world: OrchestratorWorld, collection: ShadowedCollection, model: str
) -> None:
    run = await begun(running, collection.name, model)
    now = datetime.now(UTC)
    await collection.change(answering=collection.shadow)
    times = {"promoted_at": now, "ended_at": now, "keep_until": now + timedelta(days=1)}
    await stored(world, collection, run, state=MigrationState.PROMOTED, **times)
    address = f"/v1/collections/{collection.name}/rollback"
    other = await running.http.post(address, json={"run": "none"})
    assert other.status_code == 404
    for _ in range(2):
        back = await running.http.post(address, json={"run": run, "reason": "a test"})
        assert back.status_code == 200, back.text
        assert (back.json()["state"], back.json()["reason"]) == ("rolled_back", "a test")
    assert (await collection.registry.get(collection.name)).answering is None
    again = await running.http.post(address, json={})
    assert again.status_code == 409
    assert "none was promoted" in again.json()["detail"]
    await running.http.post(f"/v1/runs/{run}/cancel")


async def test_the_command_begins_one_as_it_is_asked_to(
    running: RunningGateway, world: OrchestratorWorld, collection: ShadowedCollection, model: str
) -> None:
    command = Command(world)
    options = ("--canary", "50%", "--set", "canary_queries=30", "--set", "canary_thresholds={max_latency_ratio: 50}")
    begun = await command.json("models", "migrate", collection.name, "--to", model, *options)
    parameters = begun["parameters"]
    assert (parameters["canary_share"], parameters["canary_queries"]) == (0.5, 30)
    assert parameters["canary_thresholds"]["max_latency_ratio"] == 50
    await running.http.post(f"/v1/runs/{begun['run']}/cancel")
    wrong = await command("models", "migrate", collection.name, "--to", model, "--set", "canary_shre=1", status=1)
    assert "canary_shre" in wrong


async def test_the_doctor_looks_at_shadows_and_what_waits_for_them(
    running: RunningGateway,
    world: OrchestratorWorld,
    collection: ShadowedCollection,
    model: str,
    eventually: Eventually,
) -> None:
    async def found() -> dict[str, tuple[str, str]]:
        diagnosis = (await running.http.get("/v1/diagnosis")).json()
        assert "migrations" in {finding["check"] for finding in diagnosis["findings"] if finding["status"] == "ok"}
        [own] = [entry for entry in diagnosis["collections"] if entry["collection"] == collection.name]
        return {each["check"]: (each["status"], f"{each['detail']}; {each['advice']}") for each in own["findings"]}

    advice = f"sightwire models drop-shadow {collection.shadow}"
    status, said = (await found())["shadows"]
    assert (status, advice in said) == ("warning", True)
    run = await begun(running, collection.name, model)
    await stored(world, collection, run, filling=Filling(sent=1, total=4))
    await world.bus.jetstream.publish(subjects.reembed(collection.shadow), b"a batch")
    seen = await found()
    assert "shadows" not in seen
    assert (seen["migration"][0], f"(run {run})" in seen["migration"][1]) == ("ok", True)
    assert seen["re-embedding"][0] == "problem"
    assert f"no embedder serves space '{SHADOW_SPACE}'" in seen["re-embedding"][1]

    command = Command(world)
    assert run in await command("models", "drop-shadow", collection.shadow, status=1)
    assert "no shadow" in await command("models", "drop-shadow", collection.name, status=1)
    await running.http.post(f"/v1/runs/{run}/cancel")

    async def is_cleared_away() -> bool:
        return not {"migration", "shadows", "re-embedding"} & (await found()).keys()

    # By the orchestrator's keeper.
    await eventually(is_cleared_away, deadline=60)


async def test_a_shadow_of_no_migration_is_dropped(
    running: RunningGateway, world: OrchestratorWorld, collection: ShadowedCollection, eventually: Eventually
) -> None:
    assert f"removed {collection.shadow}" in await Command(world)("models", "drop-shadow", collection.shadow)
    await eventually(lambda: collection.record.shadows == ())


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"collection": "nowhere"}, 404, "there is no collection 'nowhere'"),
        ({"model": "nothing:1"}, 404, "nothing:1"),
        ({"model": "No Model"}, 422, "NAME:VERSION"),
        ({"canary_share": 2}, 422, "canary_share"),
        ({"canary_share": 0.5, "canary_queries": 5}, 422, "can never have"),
        ({"canary_shre": 0.5}, 422, "canary_shre"),
        ({"labelled_queries": {"kind": "inline", "queries": []}}, 422, "labelled_queries"),
        ({"gates": {"min_recall": 7}}, 422, "min_recall"),
        ({"keep_hours": -1}, 422, "keep_hours"),
    ],
)
async def test_what_cannot_be_is_refused_at_once(
    running: RunningGateway,
    collection: ShadowedCollection,
    model: str,
    changes: dict[str, Any],
    status: int,
    said: str,
) -> None:
    wanted = {"collection": collection.name, "model": model, **changes}
    answer = await running.http.post("/v1/migrations", json=wanted)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]


async def test_shadows_and_other_runs_are_none(
    running: RunningGateway, collection: ShadowedCollection, model: str, unique_name: Names
) -> None:
    http = running.http
    assert (
        await http.post("/v1/migrations", json={"collection": collection.shadow, "model": model})
    ).status_code == 404
    assert (await http.post(f"/v1/collections/{collection.shadow}/rollback", json={})).status_code == 404
    assert (await http.get("/v1/migrations/none")).status_code == 404
    name = await submit_endless(running, unique_name("endless"))
    run = (await http.post(f"/v1/pipelines/{name}/runs", json={})).json()["run"]
    answer = await http.get(f"/v1/migrations/{run}")
    assert answer.status_code == 404
    assert "no migration" in answer.json()["detail"]
    for wrong in ("/v1/migrations?state=lost", "/v1/migrations?limit=0", "/v1/migrations?collection=NO%20NAME"):
        assert (await http.get(wrong)).status_code == 422


async def test_a_model_of_the_same_space_is_refused(
    running: RunningGateway, collection: ShadowedCollection, tmp_path: Path, unique_name: Names
) -> None:
    space = collection.record.space
    same = await register(running, make_bundle(tmp_path, unique_name("same"), space=space))
    answer = await running.http.post("/v1/migrations", json={"collection": collection.name, "model": same})
    assert answer.status_code == 422
    assert f"is in space '{space}' already" in answer.json()["detail"]


async def test_the_clients_begin_and_cancel(
    running: RunningGateway, collection: ShadowedCollection, model: str
) -> None:
    async with AsyncSightwire(running.url) as sightwire:
        report = await sightwire.migrations.start(collection.name, model, items_per_second=5)
        run = report.run.run
        assert (await sightwire.migrations.get(run)).run.state is PipelineRunState.RUNNING
        assert run not in {one.run for one in (await sightwire.migrations.list(collection=collection.name)).migrations}
        await sightwire.runs.cancel(run, reason="a test")
        with pytest.raises(ApiError, match="no migration"):
            await sightwire.migrations.roll_back(collection.name)


async def test_the_blocking_client_goes_back(
    running: RunningGateway, world: OrchestratorWorld, collection: ShadowedCollection
) -> None:
    await collection.change(answering=collection.shadow)
    keep_until = datetime.now(UTC) + timedelta(days=1)
    await stored(world, collection, "elsewhere", state=MigrationState.PROMOTED, keep_until=keep_until)

    def go_back() -> MigrationState:
        with Sightwire(running.url) as sightwire:
            [promoted] = sightwire.migrations.list(collection=collection.name, state="promoted").migrations
            return sightwire.migrations.roll_back(collection.name, run=promoted.run).state

    assert await asyncio.to_thread(go_back) is MigrationState.ROLLED_BACK
