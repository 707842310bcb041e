"""Routes of pipelines and runs, and the Python client's way to them, beside a real orchestrator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import orjson
import pytest
import pytest_asyncio
from yaml import safe_load

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.http_gateway import RunningGateway, run_gateway
from services.orchestrator.tests.orchestrator_world import orchestrator_world
from sightwire.client import ApiError, AsyncSightwire, Sightwire
from sightwire.contracts.pipelines import PipelineRunState
from sightwire.platform.nats_server import NatsServer

pytestmark = pytest.mark.timeout(120)

_CHECKED = """\
name: {name}
version: "{version}"
global_parameters:
  number: 1
  output_mapping: {{checked: "{{check_output.value}}"}}
tasks:
  - name: check
    type: validation
    parameters:
      value: "{{number}}"
      checks: [{{kind: expression, expression: "value < 10"}}]
"""

Names = Callable[[str], str]


def on(server: NatsServer, settings: SettingsFactory) -> SettingsFactory:
    access = server.access
    return partial(settings, nats_url=access.url, nats_user=access.user, nats_password=access.password)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(
    module_nats_server: NatsServer, gateway_settings: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningGateway]:
    """A gateway and an orchestrator, which carries tasks out, too."""
    async with (
        orchestrator_world(module_nats_server, tmp_path_factory.mktemp("orchestrator")) as world,
        world.service(orchestrator_worker_concurrency=2),
        run_gateway(on(module_nats_server, gateway_settings)) as gateway,
    ):
        yield gateway


async def submit(running: RunningGateway, name: str, version: str = "1") -> str:
    answer = await running.http.post(
        "/v1/pipelines",
        content=_CHECKED.format(name=name, version=version),
        headers={"content-type": "application/yaml"},
    )
    assert answer.status_code == 201, answer.text
    return name


async def submit_endless(running: RunningGateway, name: str) -> str:
    """A pipeline whose runs never end: nobody knows its task."""
    endless = {"name": name, "tasks": [{"name": "wait", "type": "elsewhere"}]}
    answer = await running.http.post("/v1/pipelines", params={"any_type": True}, json=endless)
    assert answer.status_code == 201, answer.text
    return name


async def test_a_definition_is_stored_listed_shown_and_drawn(running: RunningGateway, unique_name: Names) -> None:
    http = running.http
    name = await submit(running, unique_name("checked"))
    await submit(running, name, "2")
    stored = [entry for entry in (await http.get("/v1/pipelines")).json()["pipelines"] if entry["name"] == name]
    assert [(entry["version"], entry["number"], entry["tasks"]) for entry in stored] == [("2", 2, 1)]
    assert (await http.get(f"/v1/pipelines/{name}")).json()["version"] == "2"
    first = (await http.get(f"/v1/pipelines/{name}", params={"version": "1"})).json()
    assert (first["version"], first["tasks"][0]["type"]) == ("1", "validation")
    drawing = await http.get(f"/v1/pipelines/{name}/graph")
    assert drawing.headers["content-type"].startswith("text/vnd.mermaid")
    assert drawing.text == 'flowchart TD\n    t0["check<br/>validation"]\n'


async def test_the_address_of_a_stored_definition_answers(running: RunningGateway, unique_name: Names) -> None:
    body = _CHECKED.format(name=unique_name("checked"), version="3")
    answer = await running.http.post("/v1/pipelines", content=body, headers={"content-type": "text/yaml"})
    assert (await running.http.get(answer.headers["location"])).json()["version"] == "3"


async def test_mistakes_are_told_with_their_places(running: RunningGateway) -> None:
    wrong = _CHECKED.format(name="wrong", version="1").replace('"{number}"', '"{nummer}"')
    answer = await running.http.post("/v1/pipelines", content=wrong, headers={"content-type": "application/yaml"})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:sightwire:problem:invalid-definition"
    assert "definition:10:" in problem["detail"]
    assert "nummer" in problem["detail"]


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"name: a", "application/x-www-form-urlencoded", 415),
        (b"\xff\xfe", "application/yaml", 400),
        (b" " * (1024 * 1024 + 1), "application/yaml", 413),
        (b"[", "application/json", 422),
        (b"", "application/json", 422),
    ],
)
async def test_what_is_no_definition_is_refused(
    running: RunningGateway, content: bytes, media_type: str, status: int
) -> None:
    answer = await running.http.post("/v1/pipelines", content=content, headers={"content-type": media_type})
    assert answer.status_code == status, answer.text


async def test_a_run_is_begun_waited_for_and_listed(running: RunningGateway, unique_name: Names) -> None:
    http = running.http
    name = await submit(running, unique_name("checked"))
    begun = await http.post(f"/v1/pipelines/{name}/runs", json={"parameters": {"number": 7}})
    assert begun.status_code == 202
    address = begun.headers["location"]
    ended = (await http.get(address, params={"wait": "ended"})).json()
    assert (ended["state"], ended["results"], ended["parameters"]["number"]) == ("succeeded", {"checked": 7}, 7)
    assert ended["tasks"][0]["state"] == "succeeded"

    failed = (await http.post(f"/v1/pipelines/{name}/runs", json={"parameters": {"number": 70}})).json()["run"]
    report = (await http.get(f"/v1/runs/{failed}", params={"wait": "ended"})).json()
    assert (report["state"], report["failed_task"]) == ("failed", "check")

    pages = []
    query: dict[str, Any] = {"pipeline": name, "limit": 1}
    while True:
        page = (await http.get("/v1/runs", params=query)).json()
        pages.append([run["id"] for run in page["runs"]])
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert pages == [[failed], [ended["run"]]], "the newest first"
    only = await http.get("/v1/runs", params={"pipeline": name, "state": ["succeeded", "cancelled"]})
    assert [run["id"] for run in only.json()["runs"]] == [ended["run"]]


async def test_a_run_is_steered(running: RunningGateway, unique_name: Names) -> None:
    http = running.http
    name = await submit_endless(running, unique_name("endless"))
    run = unique_name("run")
    assert (await http.post(f"/v1/pipelines/{name}/runs", json={"run": run})).json()["state"] == "running"
    assert (await http.post(f"/v1/pipelines/{name}/runs", json={"run": run})).status_code == 409
    address = f"/v1/runs/{run}"
    for action, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled"), ("retry", "running")):
        answer = await http.post(f"{address}/{action}")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert (await http.post(f"{address}/retry")).status_code == 409
    assert (await http.get(address, params={"wait": "ended", "timeout": 0.1})).json()["state"] == "running"
    await http.post(f"{address}/cancel", params={"reason": "enough"})


async def test_a_run_is_followed_to_its_end(running: RunningGateway, unique_name: Names) -> None:
    http = running.http
    name = await submit_endless(running, unique_name("endless"))
    run = (await http.post(f"/v1/pipelines/{name}/runs", json={})).json()["run"]
    seen: list[str] = []
    async with http.stream("GET", f"/v1/runs/{run}/events") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                told = orjson.loads(line.removeprefix("data: "))
                seen.append(told.get("state") or told["reason"])
                if seen == ["running"]:
                    await http.post(f"/v1/runs/{run}/pause")
                if seen == ["running", "paused"]:
                    await http.post(f"/v1/runs/{run}/cancel")
    assert seen == ["running", "paused", "cancelled", "final"]


async def test_what_is_not_there_is_told(running: RunningGateway) -> None:
    http = running.http
    for unknown in ("/v1/pipelines/none", "/v1/pipelines/none/graph", "/v1/runs/none", "/v1/runs/none/events"):
        assert (await http.get(unknown)).status_code == 404
    assert (await http.post("/v1/pipelines/none/runs", json={})).status_code == 404
    assert (await http.post("/v1/runs/none/pause")).status_code == 404
    for wrong in ("/v1/pipelines/NO%20NAME", "/v1/runs?limit=0", "/v1/runs?state=lost", "/v1/runs?cursor=none"):
        assert (await http.get(wrong)).status_code == 422
    assert (await http.post("/v1/runs/none/stop")).status_code == 422


async def test_the_client_runs_a_pipeline(running: RunningGateway, unique_name: Names) -> None:
    name = unique_name("checked")
    async with AsyncSightwire(running.url) as sightwire:
        stored = await sightwire.pipelines.submit(_CHECKED.format(name=name, version="1"))
        assert (stored.name, stored.tasks) == (name, 1)
        assert (await sightwire.pipelines.get(name)).tasks[0].type == "validation"
        assert (await sightwire.pipelines.draw(name)).startswith("flowchart")
        assert name in {pipeline.name for pipeline in (await sightwire.pipelines.list()).pipelines}
        begun = await sightwire.pipelines.run(name, {"number": 3})
        ended = await sightwire.runs.wait(begun.run, timeout=60)
        assert (ended.state, ended.results) == (PipelineRunState.SUCCEEDED, {"checked": 3})
        assert [report.state async for report in sightwire.runs.watch(begun.run)] == [PipelineRunState.SUCCEEDED]
        listed = await sightwire.runs.list(pipeline=name, states=("succeeded", "failed"))
        assert [run.id for run in listed.runs] == [begun.run]
        with pytest.raises(ApiError, match="has ended"):
            await sightwire.runs.cancel(begun.run)


async def test_the_blocking_client_runs_a_pipeline(running: RunningGateway, unique_name: Names) -> None:
    name = unique_name("checked")

    def run() -> list[PipelineRunState]:
        with Sightwire(running.url) as sightwire:
            sightwire.pipelines.submit({**safe_load(_CHECKED.format(name=name, version="1")), "description": "a dict"})
            begun = sightwire.pipelines.run(name, {"number": 3})
            assert sightwire.runs.wait(begun.run, timeout=60).results == {"checked": 3}
            return [report.state for report in sightwire.runs.watch(begun.run)]

    assert await asyncio.to_thread(run) == [PipelineRunState.SUCCEEDED]


async def test_without_an_orchestrator_it_is_told_how_to_start_one(
    fresh_nats_server: NatsServer, gateway_settings: SettingsFactory
) -> None:
    async with run_gateway(on(fresh_nats_server, gateway_settings)) as gateway:
        for path in (
            *("/v1/pipelines", "/v1/pipelines/p/metrics", "/v1/runs", "/v1/runs/r1", "/v1/models", "/v1/migrations"),
            *("/v1/reviews", "/v1/reviewers", "/v1/alerts", "/v1/alert-history", "/v1/health"),
        ):
            answer = await gateway.http.get(path)
            assert answer.status_code == 503
            assert "python -m sightwire_orchestrator" in answer.json()["detail"]
