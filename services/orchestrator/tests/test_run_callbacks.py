"""Whom definitions name hears of the ends of runs, also when the orchestrator was killed between."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sightwire_orchestrator.execution.callbacks import webhooks_of

from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world
from services.orchestrator.tests.scripted_server import ScriptedServer, answer, scripted_server
from sightwire.contracts import subjects
from sightwire.contracts.pipelines import PipelineDefinition, PipelineRunEnded, PipelineRunState
from sightwire.contracts.streams import PIPELINES
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(120)


@pytest_asyncio.fixture(loop_scope="session")
async def world(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[OrchestratorWorld]:
    async with orchestrator_world(fresh_nats_server, tmp_path) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as running:
        yield running


async def test_callbacks_are_told_of_success_and_of_errors(
    world: OrchestratorWorld, receiver: ScriptedServer, eventually: Eventually
) -> None:
    receiver.script = [answer(status=204)] * 2
    async with world.service(orchestrator_webhook_allow="127.0.0.0/8"), world.worker():
        succeeded = await world.begin(_definition("good", "echo", receiver))
        await eventually(lambda: len(receiver.requests) == 1)
        failed = await world.begin(_definition("bad", "broken", receiver))
        await eventually(lambda: len(receiver.requests) == 2)
    bodies = [request.json for request in receiver.requests]
    assert [request.path for request in receiver.requests] == ["/done", "/error"]
    assert [body["type"] for body in bodies] == ["sightwire.pipeline.ended"] * 2
    assert [(body["data"]["run"], body["data"]["state"]) for body in bodies] == [
        (succeeded, "succeeded"),
        (failed, "failed"),
    ]
    assert bodies[1]["data"]["error"]["detail"] == "never"


async def test_an_end_that_was_not_told_before_a_crash_is_told_after_it(
    world: OrchestratorWorld, receiver: ScriptedServer, eventually: Eventually
) -> None:
    async with world.service(), world.worker():
        run = await world.begin(_definition("good", "echo", receiver))
        await world.end_of(run)

        async def is_told() -> bool:
            return bool(await world.bus.jetstream.get_last_msg(PIPELINES.name, subjects.pipeline_ended(run)))

        await eventually(is_told)
    # As if the crash had come between the database and the bus.
    await world.bus.jetstream.delete_stream(PIPELINES.name)
    receiver.script = [answer(status=204)]
    async with world.service(orchestrator_webhook_allow="127.0.0.0/8"):
        await eventually(lambda: [request.json["data"]["run"] for request in receiver.requests] == [run])


def test_each_end_of_a_run_has_webhooks_of_its_own() -> None:
    definition = PipelineDefinition.model_validate(
        {
            "name": "p",
            "tasks": [{"name": "t", "type": "echo"}],
            "on_completion": [{"url": "https://a.example/done"}],
            "on_error": [{"url": "https://a.example/x", "secret": "k"}, {"url": "https://b.example/y"}],
        }
    )
    ended = PipelineRunEnded.model_validate(
        {
            "run": "r",
            "pipeline": "p",
            "version": "1",
            "state": PipelineRunState.CANCELLED,
            "sequence": 9,
            "started_at": "2026-11-21T00:00:00Z",
            "ended_at": "2026-11-21T00:00:01Z",
        }
    )
    hooks = [(hook.url, hook.id, hook.key) for hook in webhooks_of(definition, ended)]
    assert hooks == [("https://a.example/x", "r.9.0", "k"), ("https://b.example/y", "r.9.1", None)]
    succeeded = ended.model_copy(update={"state": PipelineRunState.SUCCEEDED, "sequence": 12})
    assert [hook.id for hook in webhooks_of(definition, succeeded)] == ["r.12.0"]


def _definition(name: str, task_type: str, receiver: ScriptedServer) -> dict[str, Any]:
    return {
        "name": name,
        "tasks": [{"name": "only", "type": task_type}],
        "on_completion": [{"url": f"{receiver.url}/done"}],
        "on_error": [{"url": f"{receiver.url}/error"}],
    }
