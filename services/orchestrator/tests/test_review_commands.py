"""`sightwire reviews`, `sightwire reviewers` and `sightwire models` as people use them beside an orchestrator."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.orchestrator.tests.made_bundles import make_bundle
from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world
from services.orchestrator.tests.sightwire_command import Sightwire
from sightwire.contracts.pipelines import PipelineRunState
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(300)  # some thirty commands, one after the other

_REVIEWED: dict[str, Any] = {
    "name": "reviewed",
    "tasks": [{"name": "draft", "type": "echo", "parameters": {"text": "draft"}, "review": {"instructions": "Read."}}],
    "global_parameters": {"output_mapping": {"text": "{draft_output.text}"}},
}


@pytest_asyncio.fixture(loop_scope="session")
async def world(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[OrchestratorWorld]:
    async with orchestrator_world(fresh_nats_server, tmp_path) as world:
        yield world


async def test_reviewers_and_reviews(world: OrchestratorWorld, tmp_path: Path, eventually: Eventually) -> None:
    sightwire = Sightwire(world)
    profile = tmp_path / "ann.yaml"
    profile.write_text("availability: {time_zone: Europe/Berlin}\nmax_concurrent_reviews: 2\n")
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps({"text": "final"}))
    async with world.service(), world.worker():
        named = ("--name", "Ann", "--email", "ann@example.org", "--specialization", "law", "--profile", str(profile))
        assert "stored ann, revision 1" in await sightwire("reviewers", "put", "ann", *named)
        changed = await sightwire.json("reviewers", "put", "ann", "--at-most", "3")
        assert (changed["revision"], changed["max_concurrent_reviews"], changed["name"]) == (2, 3, "Ann")
        assert changed["availability"]["time_zone"] == "Europe/Berlin"
        assert "name: Field required" in await sightwire("reviewers", "put", "bob", status=1)

        run = await world.begin(_REVIEWED)
        id_ = f"{run}.draft.1"

        async def is_asked() -> bool:
            return id_ in await sightwire("reviews", "list", "--reviewer", "ann", "--status", "assigned")

        await eventually(is_asked)
        assert f"{id_} lies with ann" in await sightwire("reviews", "comment", id_, "look twice", "--as", "lead")
        shown = await sightwire("reviews", "show", id_)
        for said in ("Read.", '"text": "draft"', "assigned", "look twice", "cli "):
            assert said in shown
        assert "no reviewer 'eve'" in await sightwire("reviews", "decide", id_, "approve", "--as", "eve", status=1)
        assert "expected a comment" in await sightwire("reviews", "decide", id_, "changes", "--as", "ann", status=1)
        assert "nobody else" in await sightwire("reviews", "delegate", id_, "--as", "ann", status=1)
        decided = await sightwire("reviews", "decide", id_, "approve", "--edited", str(edited), "--as", "ann")
        assert f"{id_} is decided: approve, by ann" in decided
        report = await world.end_of(run)
        assert (report.state, report.results) == (PipelineRunState.SUCCEEDED, {"text": "final"})
        statistics = await sightwire.json("reviews", "statistics")
        assert statistics["total"]["decided_in_time"] == 1
        assert "reviewer ann" in await sightwire("reviews", "statistics")
        assert "ann is no longer asked" in await sightwire("reviewers", "deactivate", "ann")
        assert "ann" not in await sightwire("reviewers", "list")
        assert "Ann" in await sightwire("reviewers", "list", "--inactive")


async def test_models_through_the_orchestrator_and_without_one(world: OrchestratorWorld, tmp_path: Path) -> None:
    sightwire = Sightwire(world)
    make_bundle(tmp_path)
    without = await sightwire("models", "register", str(tmp_path / "tiny-1"))
    assert "tiny:1 is registered" in without
    assert "no orchestrator answers" in without
    assert "no orchestrator is active" in await sightwire("models", "loaded", status=1)
    async with world.service():
        assert "tiny:1" in await sightwire("models", "list")
        moved = await sightwire("models", "alias", "tiny", "live", "1")
        assert "no orchestrator answers" not in moved
        assert "tiny:1" in await sightwire("models", "show", "tiny@live")
        assert "loading" in await sightwire("models", "load", "tiny@live")
        assert "no embedder lives" in await sightwire("models", "switch", "tiny:1", status=1)
        [loaded] = (await sightwire.json("models", "loaded"))["models"]
        assert (loaded["space"], loaded["state"], loaded["is_default"]) == ("tiny-1", "loading", False)
        await sightwire("models", "unload", "tiny:1")
        assert (await sightwire.json("models", "switch"))["models"] == []
        (tmp_path / "tiny-1/graphs/image.onnx").write_bytes(b"altered")
        assert "graphs/image.onnx" in await sightwire("models", "register", str(tmp_path / "tiny-1"), status=1)
