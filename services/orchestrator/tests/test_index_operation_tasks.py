"""What a task does with an operation that runs already, or that it was cancelled over."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from sightwire_orchestrator.tasks.carrying_out import carry_out
from sightwire_orchestrator.tasks.errors import BusyError, OperationFailedError, TaskCancelledError, TaskTimeoutError
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import open_resources

from services.orchestrator.tests.scripted_server import ScriptedServer, answer, scripted_server
from services.orchestrator.tests.task_world import TaskWorld, task_settings
from sightwire.contracts.operations import Rebuild
from tests.plugin.waiting import Eventually

PARAMETERS = {"collection": "photos", "index": {"type": "flat"}}
BUSY = answer({"type": "urn:sightwire:problem:conflict", "detail": "rebuild o1 is running"}, status=409)


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def world(server: ScriptedServer) -> AsyncIterator[TaskWorld]:
    async with open_resources(task_settings(platform_url=server.url)) as resources:
        yield TaskWorld(resources, HandlerRegistry.with_builtin_types())


def operation(state: str = "running", *, command: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {
        "id": "o1",
        "collection": "photos",
        "collection_uid": "u1",
        "command": command or {"kind": "rebuild", "index": {"type": "flat"}},
        "requested_by": "api",
        "state": state,
        "progress": {"stage": "building", "done": 3, "total": 9, "unit": "vectors"},
        "created_at": at,
        "updated_at": at,
        **members,
    }


async def test_progress_and_result_are_those_of_the_operation(world: TaskWorld, server: ScriptedServer):
    server.script = [
        answer(operation()),
        answer(operation()),
        answer(operation("succeeded", result={"generation": "g2"})),
    ]
    assert await world.run("build_index", PARAMETERS) == {"operation": "o1", "generation": "g2"}
    first = world.progress[0]
    assert (first.stage, first.done, first.total) == ("building", 3, 9)
    assert server.requests[0].json == {"kind": "rebuild", "index": {"type": "flat"}}


async def test_the_same_operation_is_taken_up(world: TaskWorld, server: ScriptedServer):
    # The platform tells all options, those that nobody gave as well.
    full = Rebuild.model_validate({"index": {"type": "flat"}}).model_dump(mode="json")
    listed = answer({"operations": [operation(command=full)]})
    server.script = [BUSY, listed, answer(operation("succeeded", result={"generation": "g2"}))]
    assert (await world.run("build_index", PARAMETERS))["operation"] == "o1"


async def test_another_operation_is_not(world: TaskWorld, server: ScriptedServer):
    listed = answer({"operations": [operation(command={"kind": "rebuild", "index": {"type": "hnsw"}})]})
    server.script = [BUSY, listed]
    with pytest.raises(BusyError, match="the index of 'photos' is busy: rebuild o1 is running") as raised:
        await world.run("build_index", PARAMETERS)
    assert raised.value.transient


async def test_a_failed_operation_fails_the_task_with_its_reason(world: TaskWorld, server: ScriptedServer):
    server.script = [answer(operation()), answer(operation("failed", error="out of memory"))]
    with pytest.raises(OperationFailedError, match="rebuild o1 of 'photos' was failed: out of memory"):
        await world.run("build_index", PARAMETERS)


async def test_a_cancelled_task_cancels_its_operation(world: TaskWorld, server: ScriptedServer, eventually: Eventually):
    server.otherwise = answer(operation())
    context = world.context("build_index")
    attempt = asyncio.create_task(carry_out(context, PARAMETERS))
    await eventually(lambda: len(server.requests) >= 3)
    context.cancelled.set()
    with pytest.raises(TaskCancelledError):
        await attempt
    assert (server.requests[-1].method, server.requests[-1].path) == ("DELETE", "/v1/collections/photos/operations/o1")


async def test_so_does_one_whose_time_is_up(world: TaskWorld, server: ScriptedServer):
    server.otherwise = answer(operation())
    with pytest.raises(TaskTimeoutError):
        await world.run("build_index", PARAMETERS, timeout=0.5)
    assert server.requests[-1].method == "DELETE"


async def test_a_worker_that_stops_leaves_the_operation_to_the_next(
    world: TaskWorld, server: ScriptedServer, eventually: Eventually
):
    server.otherwise = answer(operation())
    attempt = asyncio.create_task(carry_out(world.context("build_index"), PARAMETERS))
    await eventually(lambda: len(server.requests) >= 3)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert {request.method for request in server.requests} == {"POST", "GET"}
