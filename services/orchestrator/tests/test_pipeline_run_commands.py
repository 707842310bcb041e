"""`sightwire pipelines` and `sightwire worker` as people use them, beside an orchestrator on a real bus."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.orchestrator.tests.orchestrator_world import orchestrator_world
from services.orchestrator.tests.sightwire_command import Sightwire
from sightwire.platform.nats_server import NatsServer

pytestmark = pytest.mark.timeout(180)

_PIPELINE = """\
name: checked
version: "2"
description: Checks a number
global_parameters:
  number: 1
  output_mapping: {checked: "{check_output.value}"}
tasks:
  - name: check
    type: validation
    parameters:
      value: "{number}"
      checks: [{kind: expression, expression: "value < 10"}]
"""


@pytest_asyncio.fixture(loop_scope="session")
async def sightwire(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Sightwire]:
    async with orchestrator_world(fresh_nats_server, tmp_path) as world, world.service():
        yield Sightwire(world)


async def test_a_pipeline_is_stored_run_and_looked_at(sightwire: Sightwire, tmp_path: Path) -> None:
    file = tmp_path / "checked.yaml"
    file.write_text(_PIPELINE)
    assert "stored checked 2, 1 tasks" in await sightwire("pipelines", "submit", str(file))
    assert "Checks a number" in await sightwire("pipelines", "list")

    worker = await sightwire.start("worker", "--types", "validation", "--concurrency", "2")
    good = await sightwire.json("pipelines", "run", "checked", "--set", "number=7", "--run", "good", "--wait")
    assert (good["run"], good["state"], good["results"]) == ("good", "succeeded", {"checked": 7})
    bad = await sightwire("pipelines", "run", "checked", "--set", "number=70", "--run", "bad", "--wait", status=1)
    assert "the value is not valid" in bad
    assert "number=7" not in await sightwire("pipelines", "status", "bad")

    listed = await sightwire.json("pipelines", "runs", "--state", "failed")
    assert [run["id"] for run in listed["runs"]] == ["bad"]
    assert "it has ended, and cannot be cancelled" in await sightwire("pipelines", "cancel", "bad", status=1)
    assert "there is no run 'none'" in await sightwire("pipelines", "status", "none", status=1)
    assert "expected NAME=VALUE" in await sightwire("pipelines", "run", "checked", "--set", "7", status=1)
    worker.terminate()
    assert await worker.wait() == 0


async def test_a_definition_with_a_mistake_is_refused_with_its_line(sightwire: Sightwire, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(_PIPELINE.replace("{number}", "{nummer}"))
    printed = await sightwire("pipelines", "submit", str(file), status=1)
    assert "nummer" in printed
    assert "wrong.yaml:" in printed
