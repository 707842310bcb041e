"""A large pipeline drawn at random, with workers and an orchestrator killed meanwhile, ends as its drawing says."""

import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
import pytest_asyncio

from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world
from sightwire.contracts.pipelines import PipelineRunState, TaskState
from sightwire.errors import SightwireError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(300)

Kind = Literal["echo", "flaky", "broken", "hanging"]

_TASKS = 200
_RETRIES = {"max_attempts": 3, "initial_delay": 0.05}
#: How many attempts each kind takes, and how it ends.
_ENDS: Mapping[Kind, tuple[TaskState, int]] = {
    "echo": (TaskState.SUCCEEDED, 1),
    "flaky": (TaskState.SUCCEEDED, 3),
    "broken": (TaskState.FAILED, 1),
    "hanging": (TaskState.FAILED, 2),
}


@dataclass(frozen=True)
class Drawn:
    """A definition, and how each of its tasks ends, after how many attempts."""

    definition: dict[str, Any]
    ends: dict[str, tuple[TaskState, int]]


@pytest_asyncio.fixture(loop_scope="session")
async def world(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[OrchestratorWorld]:
    async with orchestrator_world(fresh_nats_server, tmp_path) as world:
        yield world


@pytest.mark.parametrize("seed", [1])
async def test_it_ends_as_drawn(world: OrchestratorWorld, eventually: Eventually, seed: int) -> None:
    drawn = draw(seed)
    orchestrator = await world.start_orchestrator()
    await world.wait_for_orchestrator()
    workers = [await world.start_worker() for _ in range(2)]
    run = await world.begin(drawn.definition)
    for share in (0.2, 0.4):

        async def has_come_so_far(share: float = share) -> bool:
            try:
                report = await world.client.run(run)
            except SightwireError:
                return False  # no orchestrator is active now
            return sum(task.state.is_final for task in report.tasks) >= share * _TASKS

        await eventually(has_come_so_far, 90.0)
        await world.kill(workers.pop(0))
        workers.append(await world.start_worker())
        if share == 0.4:
            await world.kill(orchestrator)
            await world.start_orchestrator()
    report = await world.end_of(run)
    assert report.state is PipelineRunState.SUCCEEDED
    assert {task.name: (task.state, task.attempts) for task in report.tasks} == drawn.ends


def draw(seed: int) -> Drawn:
    """A pipeline whose tasks are all optional, some of which want a dependency to have succeeded."""
    chance = random.Random(seed)
    tasks: list[dict[str, Any]] = []
    ends: dict[str, tuple[TaskState, int]] = {}
    for number in range(_TASKS):
        name, before = f"t{number}", [task["name"] for task in tasks[-40:]]
        dependencies = chance.sample(before, min(len(before), chance.randint(0, 3)))
        [kind] = chance.choices(get_args(Kind), [0.75, 0.1, 0.1, 0.05])
        ends[name] = _ENDS[kind]
        task: dict[str, Any] = {"name": name, "type": kind, "dependencies": dependencies, "optional": True}
        if kind == "hanging":
            # What a killed worker had of the others is delivered again in time.
            task |= {"timeout": 1.0, "retry": {**_RETRIES, "max_attempts": 2}}
        elif kind == "flaky":
            task |= {"parameters": {"failures": 2}, "retry": _RETRIES}
        if dependencies and chance.random() < 0.3:
            wanted = dependencies[0]
            task["condition"] = f"{wanted}_output != null"
            if ends[wanted][0] is not TaskState.SUCCEEDED:
                ends[name] = TaskState.SKIPPED, 0
        tasks.append(task)
    return Drawn({"name": f"drawn-{seed}", "tasks": tasks, "max_parallel_tasks": 12}, ends)
