"""Routes of models beside a real orchestrator, with bundles that nothing can be computed with."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.http_gateway import RunningGateway, run_gateway
from services.gateway.tests.test_gateway_pipelines import on
from services.orchestrator.tests.made_bundles import make_bundle
from services.orchestrator.tests.orchestrator_world import OrchestratorWorld
from sightwire.bus.embedders import announce_embedder, withdraw_embedder
from sightwire.client import ApiError, AsyncSightwire
from sightwire.contracts.embedding_models import EmbedderAnnouncement
from sightwire.contracts.model_control import ServingState
from sightwire.contracts.models import ModelId
from sightwire.platform.nats_server import NatsServer

pytestmark = pytest.mark.timeout(120)

Names = Callable[[str], str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(
    world: OrchestratorWorld, module_nats_server: NatsServer, gateway_settings: SettingsFactory
) -> AsyncIterator[RunningGateway]:
    async with world.service(), run_gateway(on(module_nats_server, gateway_settings)) as gateway:
        yield gateway


async def register(running: RunningGateway, folder: Path) -> str:
    """NAME:VERSION of a bundle that is new."""
    answer = await running.http.post("/v1/models", json={"bundle": {"kind": "folder", "path": str(folder)}})
    assert answer.status_code == 201, answer.text
    address: str = answer.headers["location"]
    return address.removeprefix("/v1/models/")


async def test_a_model_is_registered_found_and_annotated(
    running: RunningGateway, tmp_path: Path, unique_name: Names
) -> None:
    http = running.http
    name = unique_name("tiny")
    folder = make_bundle(tmp_path, name)
    address = f"/v1/models/{await register(running, folder)}"
    again = await http.post("/v1/models", json={"bundle": {"kind": "folder", "path": str(folder)}})
    assert (again.status_code, again.json()["is_new"]) == (200, False)
    found = (await http.get(address)).json()
    assert (found["model"]["id"], found["aliases"]) == ({"name": name, "version": "1"}, [])
    assert found["model"]["registered_by"] == "api"

    annotated = await http.put(f"{address}/notes", json={"tags": ["small"]}, params={"expected_revision": 1})
    assert annotated.json()["model"]["notes"]["tags"] == ["small"]
    stale = await http.put(f"{address}/notes", json={}, params={"expected_revision": 1})
    assert stale.status_code == 409
    listed = (await http.get("/v1/models", params={"tag": "small", "name": name})).json()["models"]
    assert [entry["model"]["id"]["version"] for entry in listed] == ["1"]


async def test_versions_are_compared_and_replaced(running: RunningGateway, tmp_path: Path, unique_name: Names) -> None:
    http = running.http
    name = unique_name("tiny")
    await register(running, make_bundle(tmp_path, name))
    await register(running, make_bundle(tmp_path, name, "2", weights=b"better"))
    comparison = (await http.get(f"/v1/models/{name}:1/compare/{name}:2")).json()
    assert comparison["same_space"] is True
    assert {file["path"]: file["change"] for file in comparison["files"]}["graphs/image.onnx"] == "changed"
    first = (await http.get("/v1/models", params={"name": name, "limit": 1})).json()
    rest = (await http.get("/v1/models", params={"name": name, "cursor": first["next_cursor"]})).json()
    versions = [entry["model"]["id"]["version"] for page in (first, rest) for entry in page["models"]]
    assert versions == ["2", "1"], "the newest first"
    assert len((await http.get(f"/v1/models/{name}:2/lineage")).json()["models"]) == 1
    said = {"reason": "worse", "replacement": {"name": name, "version": "2"}}
    deprecated = await http.post(f"/v1/models/{name}:1/deprecate", json=said)
    assert deprecated.json()["model"]["deprecation"]["replacement"]["version"] == "2"
    remaining = (await http.get("/v1/models", params={"name": name})).json()["models"]
    assert [entry["model"]["id"]["version"] for entry in remaining] == ["2"]


async def test_aliases_move_and_move_back(running: RunningGateway, tmp_path: Path, unique_name: Names) -> None:
    http = running.http
    name = unique_name("tiny")
    for version in ("1", "2"):
        await register(running, make_bundle(tmp_path, name, version, weights=version.encode()))
    live = f"/v1/models/{name}/aliases/live"
    assert (await http.put(live, json={"version": "1"})).json()["version"] == "1"
    assert (await http.put(live, json={"version": "2", "expected": "2"})).status_code == 409
    moved = (await http.put(live, json={"version": "2", "expected": "1", "reason": "better"})).json()
    assert (moved["previous"], moved["reason"], moved["by"]) == ("1", "better", "api")
    assert (await http.get(f"/v1/models/{name}@live")).json()["model"]["id"]["version"] == "2"
    assert (await http.post(f"/v1/models/{name}:2/deprecate", json={"reason": "no"})).status_code == 409
    assert (await http.post(f"{live}/rollback", json={})).json()["version"] == "1"
    aliases = (await http.get(f"/v1/models/{name}/aliases")).json()["moves"]
    assert [(move["alias"], move["version"]) for move in aliases] == [("live", "1")]
    assert (await http.delete(live, params={"expected": "1"})).json()["version"] is None
    assert [move["version"] for move in (await http.get(live)).json()["moves"]] == [None, "1", "2", "1"]


async def test_what_is_no_model_is_told(running: RunningGateway, tmp_path: Path, unique_name: Names) -> None:
    http = running.http
    assert (await http.get("/v1/models/none")).status_code == 404
    assert (await http.get("/v1/models/NO:")).status_code == 422
    assert (await http.get("/v1/models/none/aliases")).status_code == 404
    assert (await http.post("/load-model", json={"name": "none", "version": "1"})).status_code == 404
    assert (await http.get("/v1/served-models/none/1")).status_code == 404
    damaged = make_bundle(tmp_path, unique_name("tiny"))
    (damaged / "graphs/image.onnx").write_bytes(b"other")
    refused = await http.post("/v1/models", json={"bundle": {"kind": "folder", "path": str(damaged)}})
    assert (refused.status_code, "sha256" in refused.json()["detail"]) == (422, True), refused.text


async def test_a_loaded_model_is_switched_to_once_every_embedder_serves_it(
    running: RunningGateway, world: OrchestratorWorld, tmp_path: Path, unique_name: Names
) -> None:
    http = running.http
    name, space = unique_name("tiny"), unique_name("space")
    await register(running, make_bundle(tmp_path, name, space=space))
    first, second = {"name": name, "version": "1"}, {"name": "first", "version": "1"}
    embedder = EmbedderAnnouncement(
        embedder="e1",
        address="127.0.0.1:1",
        default_space="first-1",
        serving={"first-1": ModelId(name="first", version="1")},
        announced_at=datetime.now(UTC),
    )
    await announce_embedder(world.bus, embedder)
    try:
        assert (await http.post("/switch-model", json=first)).status_code == 404
        loading = await http.post("/load-model", json=first)
        assert (loading.status_code, loading.json()["state"]) == (202, "loading")
        refused = await http.post("/switch-model", json=first)
        assert (refused.status_code, "not served by every embedder yet" in refused.json()["detail"]) == (409, True)
        both = {**embedder.serving, space: ModelId(name=name, version="1")}
        await announce_embedder(world.bus, embedder.model_copy(update={"serving": both}))
        assert (await http.get(loading.headers["location"])).json()["state"] == "serving"
        switched = await http.post("/switch-model", json=first)
        assert switched.status_code == 200, switched.text
        assert switched.json()["is_default"] is True
        assert (await http.delete(loading.headers["location"])).status_code == 409
        back = await http.post("/switch-model", json=second)
        assert (back.status_code, back.json()["is_default"]) == (200, True), "what embedders were started with"
        served = (await http.get("/v1/served-models")).json()["models"]
        assert [(one["model"]["name"], one["is_loaded"]) for one in served] == [("first", False), (name, True)]
        remaining = await http.delete(loading.headers["location"])
        assert remaining.status_code == 200
    finally:
        await withdraw_embedder(world.bus, embedder.embedder)


async def test_the_client_knows_models(running: RunningGateway, tmp_path: Path, unique_name: Names) -> None:
    name = unique_name("tiny")
    bundles = [make_bundle(tmp_path, name, version, weights=version.encode()) for version in ("1", "2")]
    async with AsyncSightwire(running.url) as sightwire:
        for bundle in bundles:
            registered = await sightwire.models.register({"kind": "folder", "path": str(bundle)})
            assert registered.is_new
        assert (await sightwire.models.get(f"{name}:2")).model.id == ModelId(name=name, version="2")
        assert len((await sightwire.models.list(name=name)).models) == 2
        assert (await sightwire.models.compare(f"{name}:1", f"{name}:2")).same_space
        assert (await sightwire.models.annotate(f"{name}:1", {"tags": ["old"]})).model.notes.tags == ("old",)
        await sightwire.models.set_alias(name, "live", "1")
        await sightwire.models.set_alias(name, "live", "2", expected="1")
        assert (await sightwire.models.roll_back_alias(name, "live", reason="worse")).version == "1"
        assert len((await sightwire.models.alias_history(name, "live")).moves) == 3
        await sightwire.models.remove_alias(name, "live", expected="1")
        assert (await sightwire.models.aliases(name)).moves == ()
        deprecated = await sightwire.models.deprecate(f"{name}:1", "old", replacement=ModelId(name=name, version="2"))
        assert deprecated.model.deprecation is not None
        assert (await sightwire.models.lineage(f"{name}:1")).models[0].model.id.version == "1"
        loading = await sightwire.models.load(name, "2")
        assert (loading.state, loading.is_loaded) == (ServingState.LOADING, True)
        assert name in {served.model.name for served in (await sightwire.models.served()).models}
        with pytest.raises(ApiError, match="no embedder lives"):
            await sightwire.models.switch(name, "2")
        assert name not in {served.model.name for served in (await sightwire.models.unload(name, "2")).models}
