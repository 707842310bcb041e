"""`sightwire training`: asks the service for runs, lists and cancels them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from sightwire_trainer.settings import TrainerSettings

from services.trainer.tests.tiny_runs import picture_content
from services.trainer.tests.trainer_world import TrainerWorld, trainer_environment, trainer_world
from sightwire.contracts.training import RunState
from sightwire.platform.nats_server import NatsServer
from tests.plugin.warm_command import run_sightwire


@pytest_asyncio.fixture(loop_scope="session")
async def world(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[TrainerWorld]:
    async with trainer_world(fresh_nats_server, tmp_path) as world:
        yield world


@pytest.fixture
def configuration(tmp_path: Path, bundle_folder: Path) -> Path:
    content = picture_content(tmp_path)
    content["model"]["bundle"] = str(bundle_folder)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.timeout(400)
async def test_a_run_is_requested_listed_and_cancelled(world: TrainerWorld, configuration: Path) -> None:
    command = _Command(world.settings)
    assert await command("runs") == []
    assert await command("request", str(configuration), "--set", "epochs=100000") == {"run": "tiny-1"}
    assert [(run["run"], run["state"]) for run in await command("runs")] == [("tiny-1", "waiting")]

    async with world.service():
        await world.step_of("tiny-1", 1)
        [running] = await command("runs")
        assert (running["state"], running["steps"]) == ("running", 300_000)
        cancelled = await command("cancel", "tiny-1")
        assert cancelled["run"] == "tiny-1"
        end = await world.end_of("tiny-1")
    assert end.state is RunState.CANCELLED

    [listed] = await command("runs")
    assert (listed["state"], listed["step"]) == ("cancelled", end.steps)


@pytest.mark.timeout(400)
async def test_a_run_that_waits_is_cancelled(world: TrainerWorld, configuration: Path) -> None:
    command = _Command(world.settings)
    await command("request", str(configuration))
    assert await command("cancel", "tiny-1") == {"run": "tiny-1", "step": 0, "steps": None}
    [listed] = await command("runs")
    assert (listed["state"], listed["step"]) == ("cancelled", 0)
    assert "has ended: it is cancelled" in await command.failing("cancel", "tiny-1")


@pytest.mark.timeout(400)
async def test_what_cannot_be_asked_is_told(world: TrainerWorld, configuration: Path) -> None:
    command = _Command(world.settings)
    assert "there is no training run 'nothing'" in await command.failing("cancel", "nothing")
    assert "is no name for a run" in await command.failing("request", str(configuration), "--run", "A Run")
    assert "epochs" in await command.failing("request", str(configuration), "--set", "epochs=0")


class _Command:
    """`sightwire training` of a bus."""

    def __init__(self, settings: TrainerSettings) -> None:
        self._environment = trainer_environment(settings)

    async def __call__(self, *arguments: str) -> Any:
        status, printed = await run_sightwire("training", *arguments, "--json", **self._environment)
        assert status == 0, printed
        return json.loads(printed)

    async def failing(self, *arguments: str) -> str:
        status, printed = await run_sightwire("training", *arguments, **self._environment)
        assert status == 1, printed
        return " ".join(printed.split())
