"""Orchestrators and workers that are killed while runs are under way: the runs go on, and nothing is done twice."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world, states
from services.orchestrator.tests.watched_handlers import told
from sightwire.contracts.pipelines import PipelineRunState, TaskState
from sightwire.errors import SightwireError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(300)


@pytest_asyncio.fixture(loop_scope="session")
async def world(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[OrchestratorWorld]:
    async with orchestrator_world(fresh_nats_server, tmp_path) as world:
        yield world


async def test_a_killed_orchestrator_goes_on_where_it_was(
    world: OrchestratorWorld, tmp_path: Path, eventually: Eventually
) -> None:
    first = await world.start_orchestrator()
    await world.wait_for_orchestrator()
    async with world.worker():
        run = await world.begin(_chain_behind_a_gate(tmp_path))
        await eventually(lambda: told(tmp_path))
        await world.kill(first)
        # Its result comes while no orchestrator is there.
        (tmp_path / "open").touch()
        await eventually(lambda: f"end {run}.gated 1" in told(tmp_path))
        await world.start_orchestrator()
        report = await world.end_of(run)
    assert report.state is PipelineRunState.SUCCEEDED
    assert [task.attempts for task in report.tasks] == [1, 1, 1]
    assert told(tmp_path) == [f"begin {run}.gated 1", f"end {run}.gated 1", f"{run}.second 1", f"{run}.third 1"]


async def test_a_standing_order_survives_its_orchestrator_unbegun_and_is_carried_out_once(
    world: OrchestratorWorld, tmp_path: Path
) -> None:
    first = await world.start_orchestrator()
    await world.wait_for_orchestrator()
    run = await world.begin(_fan(tmp_path, 20))
    await world.kill(first)
    await world.start_orchestrator()
    await world.wait_for_orchestrator()
    async with world.worker():
        assert (await world.end_of(run)).state is PipelineRunState.SUCCEEDED
    assert Counter(told(tmp_path)) == {f"{run}.task.{element} 1": 1 for element in range(20)}


async def test_the_task_of_a_killed_worker_is_taken_over(
    world: OrchestratorWorld, tmp_path: Path, eventually: Eventually
) -> None:
    async with world.service():
        killed = await world.start_worker()
        run = await world.begin(_chain_behind_a_gate(tmp_path))
        await eventually(lambda: told(tmp_path), 30.0)
        await world.kill(killed)
        (tmp_path / "open").touch()
        async with world.worker():
            report = await world.end_of(run)
    assert report.state is PipelineRunState.SUCCEEDED
    assert [task.attempts for task in report.tasks] == [1, 1, 1]
    begun = [line for line in told(tmp_path) if line.startswith("begin")]
    assert begun == [f"begin {run}.gated 1"] * 2


async def test_a_worker_that_is_told_to_stop_gives_its_task_to_another_at_once(
    world: OrchestratorWorld, tmp_path: Path, eventually: Eventually
) -> None:
    async with world.service():
        async with world.worker():
            run = await world.begin(_chain_behind_a_gate(tmp_path))
            await eventually(lambda: told(tmp_path))
        assert told(tmp_path)[-1] == f"cancelled {run}.gated 1"
        (tmp_path / "open").touch()
        async with world.worker():
            assert (await world.end_of(run)).state is PipelineRunState.SUCCEEDED


async def test_of_two_orchestrators_one_takes_over_and_no_task_is_carried_out_twice(
    world: OrchestratorWorld, tmp_path: Path, eventually: Eventually
) -> None:
    first = await world.start_orchestrator()
    await world.wait_for_orchestrator()
    await world.start_orchestrator()
    async with world.worker(concurrency=2):
        runs = [await world.begin(_fan(tmp_path, 60)) for _ in range(3)]
        await eventually(lambda: len(told(tmp_path)) > 20)
        await world.kill(first)
        reports = [await world.end_of(run) for run in runs]
    assert {report.state for report in reports} == {PipelineRunState.SUCCEEDED}
    expected = {f"{run}.task.{element} 1": 1 for run in runs for element in range(60)}
    assert Counter(told(tmp_path)) == expected


async def test_an_orchestrator_that_stood_still_disturbs_nobody(
    world: OrchestratorWorld, tmp_path: Path, eventually: Eventually
) -> None:
    still = await world.start_orchestrator()
    await world.wait_for_orchestrator()
    async with world.worker():
        before = await world.begin(_chain_behind_a_gate(tmp_path))
        # It has nothing to write now: stopped in the middle of a transaction it would hold the file of the database.
        await eventually(lambda: told(tmp_path))
        still.send_signal(signal.SIGSTOP)
        async with world.service():
            during = await world.begin(_fan(tmp_path, 40))
            still.send_signal(signal.SIGCONT)
            (tmp_path / "open").touch()
            reports = [await world.end_of(run) for run in (before, during)]
            assert still.returncode is None
        # It stood by, and takes over when the other one ends.
        await world.wait_for_orchestrator()
        after = await world.begin(_fan(tmp_path, 20))
        reports.append(await world.end_of(after))
    assert {report.state for report in reports} == {PipelineRunState.SUCCEEDED}
    fans = {f"{run}.task.{element} 1" for run, length in ((during, 40), (after, 20)) for element in range(length)}
    chain = {f"begin {before}.gated 1", f"end {before}.gated 1", f"{before}.second 1", f"{before}.third 1"}
    assert Counter(told(tmp_path)) == dict.fromkeys(fans | chain, 1)


async def test_runs_go_on_when_the_bus_comes_back(
    world: OrchestratorWorld, fresh_nats_server: NatsServer, tmp_path: Path, eventually: Eventually
) -> None:
    async with world.service(), world.worker():
        run = await world.begin(_chain_behind_a_gate(tmp_path))
        await eventually(lambda: told(tmp_path))
        await fresh_nats_server.kill()
        # What comes of it cannot be told now.
        (tmp_path / "open").touch()
        await eventually(lambda: f"end {run}.gated 1" in told(tmp_path))
        await fresh_nats_server.start()
        report = await world.end_of(run)
    assert report.state is PipelineRunState.SUCCEEDED
    assert [line for line in told(tmp_path) if "gated" not in line] == [f"{run}.second 1", f"{run}.third 1"]


async def test_orders_that_a_killed_bus_lost_are_sent_again(
    world: OrchestratorWorld, fresh_nats_server: NatsServer, tmp_path: Path, eventually: Eventually
) -> None:
    async with world.service(), world.worker(concurrency=2):
        run = await world.begin(_fan(tmp_path, 200))
        for told_before in (20, 100):
            await eventually(lambda least=told_before: len(told(tmp_path)) >= least)
            await fresh_nats_server.kill()
            await fresh_nats_server.start()
        report = await world.end_of(run)
    assert report.state is PipelineRunState.SUCCEEDED
    assert report.tasks[0].output == [1] * 200
    # Work may be done again, as nobody knows what a killed server kept, but none is left out.
    assert set(told(tmp_path)) == {f"{run}.task.{element} 1" for element in range(200)}


async def test_one_at_a_time_answers(world: OrchestratorWorld, tmp_path: Path) -> None:
    async with world.service(), world.worker():
        other = await world.start_orchestrator()
        runs = await asyncio.gather(*(world.begin(_fan(tmp_path, 5)) for _ in range(4)))
        reports = [await world.end_of(run) for run in runs]
        assert all(states(report)["task"] is TaskState.SUCCEEDED for report in reports)
        assert other.returncode is None
    assert set(Counter(told(tmp_path)).values()) == {1}


async def test_without_an_orchestrator_it_is_said_that_there_is_none(world: OrchestratorWorld) -> None:
    with pytest.raises(SightwireError, match="no orchestrator is active"):
        await world.client.pipelines()


def _chain_behind_a_gate(folder: Path) -> dict[str, Any]:
    parameters = {"folder": str(folder)}
    return {
        "name": "chain",
        "tasks": [
            {"name": "gated", "type": "gated", "parameters": parameters, "timeout": 120},
            {"name": "second", "type": "counted", "parameters": parameters, "dependencies": ["gated"]},
            {"name": "third", "type": "counted", "parameters": parameters, "dependencies": ["second"]},
        ],
    }


def _fan(folder: Path, elements: int) -> dict[str, Any]:
    task = {"name": "task", "type": "counted", "map": "{elements}", "parameters": {"folder": str(folder)}}
    return {"name": f"fan-{elements}", "tasks": [task], "global_parameters": {"elements": list(range(elements))}}
