"""`sightwire pipelines` and `sightwire worker` as people use them, beside an orchestrator on a real bus."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world
from sightwire.platform.nats_server import NatsServer
from tests.plugin.processes import run_to_end

pytestmark = pytest.mark.timeout(180)

_COMMAND = (sys.executable, "-m", "sightwire.cli")
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


class Sightwire:
    """The command, for one world."""

    def __init__(self, world: OrchestratorWorld) -> None:
        self._world = world

    async def __call__(self, *arguments: str, status: int = 0) -> str:
        exit_status, printed = await run_to_end(*_COMMAND, *arguments, **self._world.environment, COLUMNS="250")
        assert exit_status == status, printed
        return printed

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """The command as a process that goes on."""
        environment = {**os.environ, **self._world.environment}
        return await asyncio.create_subprocess_exec(*_COMMAND, *arguments, env=environment)

    async def json(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(await self(*arguments, "--json", status=status))


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
