"""Alert rules beside an orchestrator on a real bus: looked at, told by event and webhook, silenced, kept."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sightwire_orchestrator.alerts.values import AlertValues
from sightwire_orchestrator.numbers.store import SampleStore
from sightwire_orchestrator.storage.database import Database

from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world
from services.orchestrator.tests.scripted_server import ScriptedServer, answer, scripted_server
from services.orchestrator.tests.sightwire_command import Sightwire
from sightwire.bus.orchestrator import OrchestratorClient
from sightwire.contracts import subjects
from sightwire.contracts.alerts import (
    AlertEvent,
    AlertHistory,
    AlertList,
    AlertReport,
    AlertRule,
    AlertsRequest,
    AlertState,
    DeleteAlert,
    ListAlerts,
    PutAlert,
    ReadAlertHistory,
    SilenceAlert,
)
from sightwire.contracts.streams import ALERTS
from sightwire.errors import ConfigurationError, InvalidInputError, NotFoundError, UnavailableError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually

pytestmark = pytest.mark.timeout(180)

RULE = AlertRule(
    name="drafts-fail",
    metric_name="pipeline.drafts.success_rate",
    operator="<",
    threshold=0.5,
    severity="critical",
    message_template="only {value} of the drafts succeed",
)


@pytest_asyncio.fixture(loop_scope="session")
async def world(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[OrchestratorWorld]:
    async with orchestrator_world(fresh_nats_server, tmp_path) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as running:
        yield running


def drafts(version: str, task_type: str) -> dict[str, Any]:
    return {"name": "drafts", "version": version, "tasks": [{"name": "draft", "type": task_type}]}


async def standing(world: OrchestratorWorld) -> AlertReport:
    [report] = (await OrchestratorClient(world.bus).ask_alerts(ListAlerts(), AlertList)).alerts
    return report


async def history(world: OrchestratorWorld) -> list[AlertEvent]:
    answered = await OrchestratorClient(world.bus).ask_alerts(ReadAlertHistory(), AlertHistory)
    return list(answered.events)


async def test_an_alert_is_told_by_event_and_webhook_and_so_is_its_end(
    world: OrchestratorWorld, receiver: ScriptedServer, eventually: Eventually
) -> None:
    # The first receiver is down once.
    receiver.script = [answer(status=503), answer(status=204), answer(status=204)]
    settings = {
        "orchestrator_alert_seconds": 0.2,
        "orchestrator_alert_webhook": f"{receiver.url}/alerts",
        "orchestrator_webhook_allow": "127.0.0.0/8",
    }
    async with world.service(**settings), world.worker():
        await OrchestratorClient(world.bus).ask_alerts(PutAlert(rule=RULE), AlertReport)
        await world.end_of(await world.begin(drafts("1", "broken")))

        async def fires() -> bool:
            return (await standing(world)).standing.state is AlertState.FIRING

        await eventually(fires, deadline=30)
        await eventually(lambda: len(receiver.requests) == 2, deadline=30)
        await world.end_of(await world.begin(drafts("2", "echo")))
        await eventually(lambda: len(receiver.requests) == 3, deadline=30)
        events = await history(world)
    assert [(event.kind, event.value, event.message) for event in events] == [
        ("resolved", 0.5, "only 0.5 of the drafts succeed"),
        ("fired", 0.0, "only 0 of the drafts succeed"),
    ]
    bodies = [request.json for request in receiver.requests]
    assert [body["type"] for body in bodies] == ["sightwire.alert.fired"] * 2 + ["sightwire.alert.resolved"]
    assert bodies[1]["data"] == events[1].model_dump(mode="json")
    for event in events:
        message = await world.bus.jetstream.get_last_msg(ALERTS.name, subjects.alert(event.kind, RULE.name))
        assert AlertEvent.model_validate_json(message.data or b"") == event


async def test_a_silenced_rule_is_told_of_when_its_silence_is_over(
    world: OrchestratorWorld, eventually: Eventually
) -> None:
    client = OrchestratorClient(world.bus)
    rule = RULE.model_copy(update={"metric_name": "reviews.open", "operator": "==", "threshold": 0.0})
    async with world.service(orchestrator_alert_seconds=0.1):
        await client.ask_alerts(PutAlert(rule=rule.model_copy(update={"enabled": False})), AlertReport)
        silence = SilenceAlert(name=rule.name, seconds=3600)
        with pytest.raises(NotFoundError):
            await client.ask_alerts(SilenceAlert(name="other", seconds=1), AlertReport)
        assert (await client.ask_alerts(silence, AlertReport)).standing.silenced_until is not None
        assert (await standing(world)).standing.state is AlertState.OK
        await client.ask_alerts(PutAlert(rule=rule), AlertReport)
        await client.ask_alerts(silence, AlertReport)

        async def fires() -> bool:
            return (await standing(world)).standing.state is AlertState.FIRING

        await eventually(fires)
        silenced = [event for event in await history(world) if event.is_silenced]
        told = [event for event in await history(world) if not event.is_silenced]
        # It may have been looked at between being stored and being silenced.
        assert len(silenced) + len(told) == 1
        await client.ask_alerts(SilenceAlert(name=rule.name, seconds=0), AlertReport)

        async def is_told() -> bool:
            return any(not event.is_silenced for event in await history(world))

        await eventually(is_told)
        await client.ask_alerts(DeleteAlert(name=rule.name), AlertReport)
        assert (await client.ask_alerts(ListAlerts(), AlertList)).alerts == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric_name": "runs.speed"}, "there is no metric 'runs.speed'"),
        ({"message_template": "{secret}"}, "message_template names 'secret'"),
    ],
)
async def test_rules_that_make_no_sense_are_refused(
    world: OrchestratorWorld, changes: dict[str, str], message: str
) -> None:
    async with world.service():
        request: AlertsRequest = PutAlert(rule=RULE.model_copy(update=changes))
        with pytest.raises(InvalidInputError, match=message):
            await OrchestratorClient(world.bus).ask_alerts(request, AlertReport)


async def test_the_command(world: OrchestratorWorld, tmp_path: Path, eventually: Eventually) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(
        "- {name: nothing-runs, metric_name: runs.count, operator: '<', threshold: 1, message_template: idle}\n"
        "- {name: slow, metric_name: task.drafts.draft.p95, operator: '>', threshold: 2}\n"
    )
    async with world.service(orchestrator_alert_seconds=0.1):
        sightwire = Sightwire(world)
        assert "stored nothing-runs, slow" in await sightwire("alerts", "put", str(file))

        async def fires() -> bool:
            return bool(await history(world))

        await eventually(fires)
        listed = await sightwire("alerts", "list", status=1)
        assert "firing" in listed
        assert "idle" in await sightwire("alerts", "history", "nothing-runs")
        await sightwire("alerts", "silence", "nothing-runs", "--minutes", "5")
        await sightwire("alerts", "list")
        assert "deleted slow" in await sightwire("alerts", "delete", "slow")
        file.write_text("{name: slow, metric_name: runs.count, operator: '~', threshold: 2}")
        assert "operator" in await sightwire("alerts", "put", str(file), status=1)


async def test_prometheus_is_asked(database: Database, receiver: ScriptedServer) -> None:
    vector = {"resultType": "vector", "result": [{"metric": {}, "value": [1_700_000_000, "2.5"]}]}
    receiver.script = [
        answer({"status": "success", "data": vector}),
        answer({"status": "success", "data": {"resultType": "vector", "result": []}}),
        answer({"status": "success", "data": {"resultType": "scalar", "result": [1_700_000_000, "7"]}}),
        answer({"status": "error", "error": "parse error"}, status=400),
    ]
    rule, now = RULE.model_copy(update={"metric_name": "prometheus:sum(up) > 1"}), datetime.now(UTC)
    async with httpx.AsyncClient(trust_env=False) as http:
        values = AlertValues(SampleStore(database), {}, http, prometheus_url=receiver.url)
        assert [await values.value(rule, now) for _ in range(3)] == [2.5, None, 7.0]
        with pytest.raises(InvalidInputError, match="parse error"):
            await values.value(rule, now)
        with pytest.raises(UnavailableError):
            await AlertValues(SampleStore(database), {}, http, prometheus_url="http://127.0.0.1:9").value(rule, now)
        with pytest.raises(ConfigurationError, match="PROMETHEUS_URL"):
            await AlertValues(SampleStore(database), {}, http, prometheus_url=None).value(rule, now)
    assert receiver.requests[0].path == "/api/v1/query?query=sum%28up%29+%3E+1"
