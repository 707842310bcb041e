"""A pipeline drawn at random, with workers and orchestrators killed meanwhile, ends exactly as a simulation says.

`SIGHTWIRE_SURVIVAL_TASKS=200 SIGHTWIRE_SURVIVAL_RUNS=5` (what `make chaos` sets) is the long form, in which
orchestrators are killed, too; the default keeps the test suite quick.
"""

import logging
import os
import random
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.orchestrator.tests.drawn_runs import Ended, draw
from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world
from sightwire.contracts.pipelines import PipelineRunState
from sightwire.errors import SightwireError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

logger = logging.getLogger(__name__)

pytestmark = pytest.mark.timeout(600)

TASKS = int(os.environ.get("SIGHTWIRE_SURVIVAL_TASKS", "60"))
RUNS = int(os.environ.get("SIGHTWIRE_SURVIVAL_RUNS", "1"))
#: Tasks for each kill.
_TASKS_A_KILL = 40
#: Of so many tasks: a killed one is followed after ten seconds.
_ORCHESTRATOR_KILLED_FROM = 100
_WORKERS = 2
_DEADLINE = 180.0


@pytest_asyncio.fixture(loop_scope="session")
async def world(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[OrchestratorWorld]:
    async with orchestrator_world(fresh_nats_server, tmp_path) as world:
        yield world


@pytest.mark.parametrize("number", range(RUNS))
async def test_it_ends_as_simulated(world: OrchestratorWorld, eventually: Eventually, number: int) -> None:
    given = os.environ.get("SIGHTWIRE_SURVIVAL_SEED")
    seed = int(given) + number if given else random.SystemRandom().randrange(2**32)
    logger.warning("SIGHTWIRE_SURVIVAL_SEED=%d draws this pipeline and this order of kills", seed - number)
    chance, drawn = random.Random(seed), draw(seed, TASKS)
    processes = Processes(world, await world.start_orchestrator())
    await world.wait_for_orchestrator()
    await processes.start_workers()
    run = await world.begin(drawn.definition)
    for ended in sorted(chance.randrange(TASKS) for _ in range(TASKS // _TASKS_A_KILL)):

        async def has_come_so_far(least: int = ended) -> bool:
            try:
                report = await world.client.run(run)
            except SightwireError:
                return False  # no orchestrator is active now
            return sum(task.state.is_final for task in report.tasks) >= least

        await eventually(has_come_so_far, _DEADLINE)
        await processes.kill_one(chance)
    report = await world.end_of(run)
    assert report.state is PipelineRunState.SUCCEEDED
    ends = {task.name: Ended(task.state.value, task.attempts, task.output) for task in report.tasks}
    assert ends == drawn.ends
    assert report.results == drawn.results


class Processes:
    """An orchestrator and workers, each of which has a successor when it is killed."""

    def __init__(self, world: OrchestratorWorld, orchestrator: Process) -> None:
        self._world = world
        self._orchestrator = orchestrator
        self._workers: list[Process] = []

    async def start_workers(self) -> None:
        """The first task tells when they are there."""
        self._workers = [await self._world.start_worker(concurrency=8) for _ in range(_WORKERS)]

    async def kill_one(self, chance: random.Random) -> None:
        """Any of them."""
        if TASKS >= _ORCHESTRATOR_KILLED_FROM and chance.random() < 0.3:
            await self._world.kill(self._orchestrator)
            self._orchestrator = await self._world.start_orchestrator()
            return
        place = chance.randrange(_WORKERS)
        await self._world.kill(self._workers[place])
        self._workers[place] = await self._world.start_worker(concurrency=8)
