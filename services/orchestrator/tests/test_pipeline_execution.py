"""Pipelines carried out by an orchestrator and a worker over a real bus."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world, states
from services.orchestrator.tests.watched_handlers import told
from sightwire.contracts import subjects
from sightwire.contracts.pipeline_control import ListRuns, SteerRun, SubmitPipeline
from sightwire.contracts.pipelines import PipelineRunEnded, PipelineRunState, TaskState
from sightwire.contracts.streams import TASKS
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(120)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    module_nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OrchestratorWorld]:
    folder = tmp_path_factory.mktemp("world")
    async with orchestrator_world(module_nats_server, folder) as world, world.service(), world.worker():
        yield world


async def test_map_condition_and_retry(world: OrchestratorWorld, unique_name: Callable[..., str]) -> None:
    definition = {
        "name": unique_name("all"),
        "tasks": [
            {"name": "words", "type": "echo", "parameters": {"list": "{words}", "limit": 2}},
            {"name": "each", "type": "echo", "map": "{words_output.list}", "parameters": {"word": "{item}"}},
            {"name": "few", "type": "echo", "condition": "size(words_output.list) > 5", "parameters": {}},
            {
                "name": "flaky",
                "type": "flaky",
                "parameters": {"failures": 2},
                "dependencies": ["each"],
                "retry": {"max_attempts": 3, "initial_delay": 0.05},
            },
            {"name": "optional", "type": "broken", "optional": True},
            {"name": "last", "type": "echo", "parameters": {"of": "{flaky_output.attempt}"}, "dependencies": ["few"]},
        ],
        "global_parameters": {
            "words": [],
            "output_mapping": {"words": "{each_output}", "attempts": "{last_output.of}"},
        },
    }
    run = await world.begin(definition, words=["a", "b", "c"])
    report = await world.end_of(run)

    assert (report.state, report.error) == (PipelineRunState.SUCCEEDED, None)
    assert report.results == {"words": [{"word": "a"}, {"word": "b"}, {"word": "c"}], "attempts": 3}
    assert states(report)["few"] is TaskState.SKIPPED
    assert states(report)["optional"] is TaskState.FAILED
    attempts = {task.name: task.attempts for task in report.tasks}
    assert (attempts["each"], attempts["flaky"]) == (3, 3)
    [summary] = (await world.client.runs(ListRuns(pipeline=definition["name"]))).runs
    assert (summary.id, summary.state) == (run, PipelineRunState.SUCCEEDED)


async def test_the_end_is_told_and_nothing_is_left_in_the_queue(
    world: OrchestratorWorld, unique_name: Callable[..., str], eventually: Eventually
) -> None:
    run = await world.begin({"name": unique_name("end"), "tasks": [{"name": "one", "type": "broken"}]})
    report = await world.end_of(run)
    assert (report.state, report.failed_task) == (PipelineRunState.FAILED, "one")
    assert report.error is not None
    assert report.error.detail == "never"

    async def event() -> PipelineRunEnded:
        message = await world.bus.jetstream.get_last_msg("PIPELINES", subjects.pipeline_ended(run))
        return PipelineRunEnded.model_validate_json(message.data or b"")

    ended = await eventually(event)
    assert (ended.state, ended.task, ended.error) == (report.state, "one", report.error)

    async def is_empty() -> bool:
        return (await world.bus.jetstream.stream_info(TASKS.name)).state.messages == 0

    await eventually(is_empty)


async def test_a_cancelled_run_stops_its_tasks(
    world: OrchestratorWorld, unique_name: Callable[..., str], tmp_path: Path, eventually: Eventually
) -> None:
    run = await world.begin(_gated(unique_name("cancel"), tmp_path))
    await eventually(lambda: told(tmp_path))
    cancelled = await world.client.steer(SteerRun(run=run, action="cancel", by="a test", reason="enough"))
    assert cancelled.error is not None
    assert cancelled.error.detail == "cancelled by a test: enough"
    await eventually(lambda: told(tmp_path) == [f"begin {run}.gated 1", f"cancelled {run}.gated 1"])
    assert (await world.end_of(run)).state is PipelineRunState.CANCELLED
    with pytest.raises(ConflictError, match="it has ended"):
        await world.client.steer(SteerRun(run=run, action="cancel"))


async def test_a_retried_run_goes_on_with_what_failed(
    world: OrchestratorWorld, unique_name: Callable[..., str]
) -> None:
    definition = {
        "name": unique_name("retry"),
        "tasks": [
            {"name": "first", "type": "echo", "parameters": {"value": 1}},
            {"name": "second", "type": "flaky", "parameters": {"failures": 1}, "dependencies": ["first"]},
        ],
        "global_parameters": {"output_mapping": {"attempt": "{second_output.attempt}"}},
    }
    run = await world.begin(definition)
    assert (await world.end_of(run)).state is PipelineRunState.FAILED
    await world.client.steer(SteerRun(run=run, action="retry"))
    report = await world.end_of(run)
    assert report.results == {"attempt": 2}
    assert [task.attempts for task in report.tasks] == [1, 2]


async def test_a_paused_run_begins_nothing(
    world: OrchestratorWorld, unique_name: Callable[..., str], tmp_path: Path, eventually: Eventually
) -> None:
    definition = _gated(unique_name("pause"), tmp_path)
    definition["tasks"].append({"name": "after", "type": "echo", "dependencies": ["gated"]})
    run = await world.begin(definition)
    await eventually(lambda: told(tmp_path))
    await world.client.steer(SteerRun(run=run, action="pause"))
    (tmp_path / "open").touch()

    async def is_done() -> bool:
        return states(await world.client.run(run))["gated"] is TaskState.SUCCEEDED

    await eventually(is_done)
    paused = await world.client.run(run)
    assert (paused.state, states(paused)["after"]) == (PipelineRunState.PAUSED, TaskState.WAITING)
    await world.client.steer(SteerRun(run=run, action="resume"))
    assert (await world.end_of(run)).state is PipelineRunState.SUCCEEDED


async def test_a_hanging_attempt_times_out_and_is_tried_again(
    world: OrchestratorWorld, unique_name: Callable[..., str], tmp_path: Path, eventually: Eventually
) -> None:
    definition = _gated(unique_name("hang"), tmp_path, timeout=0.5, retry={"max_attempts": 2, "initial_delay": 0.01})
    run = await world.begin(definition)
    report = await world.end_of(run)
    assert report.error is not None
    assert (report.state, report.error.code) == (PipelineRunState.FAILED, "timeout")
    expected = {f"{what} {run}.gated {attempt}" for what in ("begin", "cancelled") for attempt in (1, 2)}
    await eventually(lambda: set(told(tmp_path)) == expected)


async def test_an_output_that_no_message_takes_is_a_failure(
    world: OrchestratorWorld, unique_name: Callable[..., str]
) -> None:
    large = "x" * 5_000_000
    definition = {
        "name": unique_name("large"),
        "tasks": [{"name": "twice", "type": "echo", "parameters": {"a": "{text}{text}"}}],
        "global_parameters": {"text": ""},
    }
    report = await world.end_of(await world.begin(definition, text=large))
    assert report.error is not None
    assert report.error.code == "order-too-large"


async def test_one_key_has_one_result(
    world: OrchestratorWorld, unique_name: Callable[..., str], tmp_path: Path
) -> None:
    task = {
        "name": "once",
        "type": "counted",
        "map": "{orders}",
        "parameters": {"folder": str(tmp_path)},
        "idempotency_key": "order {item}",
    }
    definition = {"name": unique_name("keys"), "tasks": [task], "global_parameters": {"orders": []}}
    first = await world.end_of(await world.begin(definition, orders=[7, 8]))
    again = await world.end_of(await world.begin(definition, orders=[8, 9]))
    assert [report.state for report in (first, again)] == [PipelineRunState.SUCCEEDED] * 2
    assert sorted(told(tmp_path)) == ["order 7 1", "order 8 1", "order 9 1"]


async def test_what_cannot_be_asked_for_is_refused_with_its_reason(
    world: OrchestratorWorld, unique_name: Callable[..., str]
) -> None:
    unknown = {"name": unique_name("bad"), "tasks": [{"name": "one", "type": "no_such_type"}]}
    with pytest.raises(InvalidInputError, match="no_such_type"):
        await world.client.submit(SubmitPipeline(definition=unknown, origin="bad.yaml"))
    with pytest.raises(NotFoundError, match="no run"):
        await world.client.run("none")
    with pytest.raises(NotFoundError, match="no pipeline"):
        await world.client.pipeline("none")


def _gated(name: str, folder: Path, **members: Any) -> dict[str, Any]:
    task = {"name": "gated", "type": "gated", "parameters": {"folder": str(folder)}, **members}
    return {"name": name, "tasks": [task]}
