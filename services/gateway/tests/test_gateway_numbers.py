"""Routes of metrics, health and alerts, and the Python client's way to them, beside a real orchestrator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.http_gateway import RunningGateway, run_gateway
from services.gateway.tests.test_gateway_pipelines import on, submit
from services.orchestrator.tests.orchestrator_world import orchestrator_world
from sightwire.client import ApiError, AsyncSightwire, Sightwire
from sightwire.contracts.alerts import AlertRule, AlertState
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(180)

Names = Callable[[str], str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(
    module_nats_server: NatsServer, gateway_settings: SettingsFactory, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningGateway]:
    """A gateway and an orchestrator that looks at alert rules all the time."""
    async with (
        orchestrator_world(module_nats_server, tmp_path_factory.mktemp("orchestrator")) as world,
        world.service(orchestrator_worker_concurrency=2, orchestrator_alert_seconds=0.1),
        run_gateway(on(module_nats_server, gateway_settings)) as gateway,
    ):
        yield gateway


def rule(name: str, **changes: Any) -> AlertRule:
    """One that fires at once."""
    members = {"name": name, "metric_name": "reviews.open", "operator": "==", "threshold": 0}
    return AlertRule.model_validate({**members, **changes})


async def test_runs_are_counted_by_pipeline_and_task(
    running: RunningGateway, unique_name: Names, eventually: Eventually
) -> None:
    http = running.http
    name = await submit(running, unique_name("counted"))
    for number in (7, 70):
        run = (await http.post(f"/v1/pipelines/{name}/runs", json={"parameters": {"number": number}})).json()["run"]
        await http.get(f"/v1/runs/{run}", params={"wait": "ended"})

    async def counted() -> bool:
        return bool((await http.get(f"/v1/pipelines/{name}/metrics")).json()["runs"]["count"] == 2)

    await eventually(counted, deadline=60)
    async with AsyncSightwire(running.url) as sightwire:
        metrics = await sightwire.pipelines.metrics(name, seconds=7200, task="check")
        assert (metrics.runs.succeeded, metrics.runs.failed, metrics.runs.success_rate) == (1, 1, 0.5)
        attempts = metrics.tasks["check"]
        assert attempts.count == 2
        assert attempts.seconds is not None
        assert (
            attempts.seconds.minimum <= attempts.seconds.p50 <= attempts.seconds.p99 <= attempts.seconds.maximum * 1.05
        )
        assert sum(point.runs.count for point in metrics.history) == 2
        assert sum(point.attempts.count for point in metrics.history if point.attempts is not None) == 2
        health = {(each.kind, each.name): each for each in (await sightwire.health()).components}
    assert health["pipeline", name].state == "degraded"
    assert health["pipeline", name].detail == "1 of 2 runs succeeded in the last hour"
    assert health["cache", "tasks"].state == health["reviewers", "reviewers"].state == "healthy"
    assert health["model", "embedders"].detail == "no embedder runs"


async def test_an_alert_is_stored_fires_is_silenced_and_deleted(
    running: RunningGateway, unique_name: Names, eventually: Eventually
) -> None:
    http = running.http
    name, quiet = unique_name("fires"), unique_name("quiet")
    address = f"/v1/alerts/{name}"
    stored = await http.put(address, json=rule(name).model_dump(mode="json"))
    assert (stored.status_code, stored.json()["standing"]["state"]) == (200, "ok")
    await http.put(f"/v1/alerts/{quiet}", json=rule(quiet, operator=">").model_dump(mode="json"))

    async def fires() -> bool:
        return bool((await http.get(address)).json()["standing"]["state"] == "firing")

    await eventually(fires, deadline=60)

    async def listed(state: str) -> list[str]:
        alerts = (await http.get("/v1/alerts", params={"state": state})).json()["alerts"]
        return [alert["rule"]["name"] for alert in alerts]

    assert (await listed("firing"), await listed("ok")) == ([name], [quiet])
    told = (await http.get("/v1/alert-history", params={"name": name})).json()["events"]
    assert [(event["kind"], event["value"]) for event in told] == [("fired", 0.0)]

    silenced = await http.post(f"{address}/silence", json={"seconds": 600})
    assert silenced.json()["standing"]["silenced_until"] is not None
    assert (await http.delete(address)).json()["rule"]["name"] == name
    assert (await http.get(address)).status_code == 404
    assert len((await http.get("/v1/alert-history", params={"name": name})).json()["events"]) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"operator": "~"}, "operator"),
        ({"threshold": "high"}, "threshold"),
        ({"name": "other"}, "as in the path"),
        ({"metric_name": "runs.speed"}, "there is no metric 'runs.speed'"),
        ({"message_template": "{secret}"}, "message_template names 'secret'"),
        ({"wndow": 60}, "wndow"),
    ],
)
async def test_rules_that_make_no_sense_are_refused(
    running: RunningGateway, unique_name: Names, changes: dict[str, Any], said: str
) -> None:
    name = unique_name("wrong")
    answer = await running.http.put(f"/v1/alerts/{name}", json={**rule(name).model_dump(mode="json"), **changes})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert (await running.http.get(f"/v1/alerts/{name}")).status_code == 404


async def test_what_is_not_there_or_makes_no_sense_is_told(running: RunningGateway, unique_name: Names) -> None:
    http = running.http
    for unknown in ("/v1/alerts/none", "/v1/pipelines/none/metrics"):
        assert (await http.get(unknown)).status_code == 404
    assert (await http.delete("/v1/alerts/none")).status_code == 404
    assert (await http.post("/v1/alerts/none/silence", json={"seconds": 1})).status_code == 404
    assert (await http.post("/v1/alerts/none/silence", json={"seconds": -1})).status_code == 422
    name = await submit(running, unique_name("counted"))
    for wrong in (
        *("/v1/alerts?state=loud", "/v1/alerts/NO%20NAME", "/v1/alert-history?limit=0"),
        f"/v1/pipelines/{name}/metrics?seconds=1",
    ):
        assert (await http.get(wrong)).status_code == 422, wrong


async def test_the_clients_keep_rules(running: RunningGateway, unique_name: Names) -> None:
    name = unique_name("kept")
    async with AsyncSightwire(running.url) as sightwire:
        assert (await sightwire.alerts.put(rule(name, operator=">"))).rule.name == name
        assert (await sightwire.alerts.get(name)).standing.state is AlertState.OK
        assert name in {report.rule.name for report in (await sightwire.alerts.list(state="ok")).alerts}
        assert (await sightwire.alerts.silence(name, 60)).standing.silenced_until is not None
        assert (await sightwire.alerts.history(name=name)).events == ()

    def delete() -> None:
        with Sightwire(running.url) as sightwire:
            sightwire.alerts.delete(name)
            with pytest.raises(ApiError, match="there is no alert rule"):
                sightwire.alerts.get(name)
            assert {each.kind for each in sightwire.health().components} >= {"model", "cache", "reviewers"}

    await asyncio.to_thread(delete)
