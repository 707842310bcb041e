"""Routes of indexes, operations, schedules and backups; an owner that speaks the contract is in the indexer's place."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from pydantic import TypeAdapter

from services.gateway.tests.conftest import make_record
from services.gateway.tests.http_gateway import RunningGateway
from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.control import ControlReply, Diagnosis, Finding, IndexersRequest, IndexRequest
from sightwire.contracts.operations import OperationRecord, OperationState, Progress, Rebuild, Scan
from sightwire.contracts.streams import OPERATIONS
from sightwire.errors import ConflictError, NotFoundError, SightwireError
from tests.plugin.waiting import Eventually

Answer = Callable[[Any], Any]


@asynccontextmanager
async def answering(bus: Bus, subject: str, answer: Answer) -> AsyncIterator[list[Any]]:
    """Answers control requests on `subject` with what `answer` returns or raises; what was asked."""
    requests: TypeAdapter[Any] = TypeAdapter(IndexersRequest if subject == subjects.CONTROL_INDEXERS else IndexRequest)
    asked: list[Any] = []

    async def reply(message: Msg) -> None:
        request = requests.validate_json(message.data)
        asked.append(request)
        try:
            said = ControlReply(answer=answer(request))
        except SightwireError as error:
            said = ControlReply(error_code=error.code, error=error.detail)
        await message.respond(said.model_dump_json().encode())

    subscription = await bus.client.subscribe(subject, cb=reply)
    await _server_has_read(bus)
    try:
        yield asked
    finally:
        await subscription.unsubscribe()
        await _server_has_read(bus)


async def _server_has_read(bus: Bus) -> None:
    """Until the server has read what was sent: the gateway asks over another connection. A flush overtakes it."""
    with pytest.raises(NoRespondersError):
        await bus.client.request("nobody.listens.here", b"", timeout=5)


def operation(collection: str, uid: str = "uid1", **changes: Any) -> OperationRecord:
    return OperationRecord.model_validate(
        {
            "id": "op1",
            "collection": collection,
            "collection_uid": uid,
            "command": Scan(),
            "requested_by": "api",
            **changes,
        }
    )


@pytest.fixture
async def collection(running: RunningGateway, unique_name: Callable[..., str]) -> str:
    return await running.make_collection(unique_name("ops"), fields={"own": {"dimension": 2}})


async def test_operation_is_started_by_the_owner(running: RunningGateway, bus: Bus, collection: str) -> None:
    started = operation(collection, command=Rebuild(), memory={"secret": 1})
    async with answering(bus, subjects.control_index(collection), lambda _: started.model_dump(mode="json")) as asked:
        answer = await running.http.post(
            f"/v1/collections/{collection}/operations", json={"kind": "rebuild", "index": {"type": "hnsw_sq"}}
        )
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/collections/{collection}/operations/op1"
    assert answer.json()["state"] == "running"
    assert "memory" not in answer.json()
    assert asked[0].command.index.type == "hnsw_sq"


@pytest.mark.parametrize(
    ("command", "where"),
    [
        ({"kind": "reboot"}, "body"),
        ({}, "body"),
        ({"kind": "switch"}, "switch.generation"),
        ({"kind": "scan", "x": 1}, "x"),
    ],
)
async def test_commands_that_do_not_exist_are_refused(
    running: RunningGateway, collection: str, command: dict[str, Any], where: str
) -> None:
    answer = await running.http.post(f"/v1/collections/{collection}/operations", json=command)
    assert answer.status_code == 422
    assert where in answer.json()["errors"][0]["path"]


async def test_errors_of_the_owner_are_the_gateways(running: RunningGateway, bus: Bus, collection: str) -> None:
    def refuse(request: Any) -> Any:
        if request.ask == "start":
            raise ConflictError("operation op1 runs")
        raise NotFoundError("no report")

    path = f"/v1/collections/{collection}"
    async with answering(bus, subjects.control_index(collection), refuse):
        conflict = await running.http.post(f"{path}/operations", json={"kind": "scan"})
        missing = await running.http.get(f"{path}/generations/g3/report")
    assert (conflict.status_code, conflict.json()["detail"]) == (409, "operation op1 runs")
    assert (missing.status_code, missing.json()["detail"]) == (404, "no report")
    alone = await running.http.get(f"{path}/generations")
    assert alone.status_code == 503
    assert "no indexer owns" in alone.json()["detail"]
    assert (await running.http.get(f"{path}/generations/three/report")).status_code == 422
    assert (await running.http.get("/v1/collections/nobody-made-it/stats")).status_code == 404


async def test_operations_are_read_from_the_bus(running: RunningGateway, bus: Bus, collection: str) -> None:
    uid = running.gateway.collections.get(collection).uid
    bucket = await bus.bucket(OPERATIONS)
    now = datetime.now(UTC)
    records = [
        operation(collection, uid, id="op1", state=OperationState.SUCCEEDED, created_at=now - timedelta(hours=2)),
        operation(collection, uid, id="op2", command=Rebuild(), created_at=now),
        operation(collection, "another-incarnation", id="op3"),
    ]
    for record in records:
        key = subjects.operation_key(collection, record.id)
        await bucket.put(key, record.model_dump_json().encode())

    path = f"/v1/collections/{collection}/operations"

    async def listed(**params: str) -> list[str]:
        answer = await running.http.get(path, params=params)
        return [entry["id"] for entry in answer.json()["operations"]]

    assert await listed() == ["op2", "op1"]
    assert await listed(limit="1") == ["op2"]
    assert await listed(kind="scan") == ["op1"]
    assert await listed(state="running") == ["op2"]
    assert (await running.http.get(f"{path}/op1")).json()["state"] == "succeeded"
    for unknown in ("op3", "op4", "*", "a.b"):
        assert (await running.http.get(f"{path}/{unknown}")).status_code == 404


async def test_operation_is_followed_to_its_end(running: RunningGateway, bus: Bus, collection: str) -> None:
    uid = running.gateway.collections.get(collection).uid
    bucket = await bus.bucket(OPERATIONS)
    running_record = operation(collection, uid)
    key = subjects.operation_key(collection, "op1")

    async def put(**changes: Any) -> None:
        await bucket.put(key, running_record.model_copy(update=changes).model_dump_json().encode())

    await put()
    seen: list[tuple[str, str]] = []
    async with running.http.stream("GET", f"/v1/collections/{collection}/operations/op1/events") as stream:
        name = ""
        async for line in stream.aiter_lines():
            if line.startswith("event:"):
                name = line.removeprefix("event: ")
            if not line.startswith("data:"):
                continue
            told = orjson.loads(line.removeprefix("data: "))
            seen.append((name, told.get("state") or told["reason"]))
            if len(seen) == 1:
                await put(progress=Progress(stage="reading", done=1, total=2, unit="segments"))
            if len(seen) == 2:
                assert told["progress"]["stage"] == "reading"
                await put(state=OperationState.SUCCEEDED)
    assert seen == [("operation", "running"), ("operation", "running"), ("operation", "succeeded"), ("end", "final")]


async def test_schedules_are_forwarded(running: RunningGateway, bus: Bus, collection: str) -> None:
    path = f"/v1/collections/{collection}/schedules"
    async with answering(bus, subjects.control_index(collection), lambda request: {"asked": request.ask}) as asked:
        spec = {"cron": "30 3 * * 1", "time_zone": "Europe/Berlin", "command": {"kind": "backup"}}
        assert (await running.http.put(f"{path}/nightly", json=spec)).status_code == 200
        assert (await running.http.post(f"{path}/nightly/run?trigger=cli")).status_code == 200
        assert (await running.http.get(f"{path}/nightly/calendar?upcoming=3")).json() == {"asked": "calendar"}
        assert (await running.http.delete(f"{path}/nightly")).status_code == 204
    assert [request.ask for request in asked] == ["put_schedule", "schedule", "calendar", "schedule"]
    assert asked[0].spec.command.kind == "backup"
    assert (asked[1].action, asked[1].trigger, asked[2].upcoming, asked[3].action) == ("run", "cli", 3, "delete")
    assert (await running.http.get(path)).json() == {"schedules": []}
    assert (await running.http.get(f"{path}/nightly")).status_code == 404
    assert (await running.http.post(f"{path}/nightly/explode")).status_code == 422
    assert (await running.http.put(f"{path}/nightly", json={"cron": "* * * * *"})).status_code == 422


async def test_restore_waits_for_the_owner_of_a_new_collection(
    running: RunningGateway, bus: Bus, unique_name: Callable[..., str], eventually: Eventually
) -> None:
    name = unique_name("restored")
    fields = {"own": {"dimension": 2}}

    def prepare(_request: Any) -> Any:
        return make_record(name=name, fields=fields).model_dump(mode="json")

    await running.make_collection(name, fields=fields)
    started = operation(name, command={"kind": "restore", "backup": "b1", "activate": False})
    async with answering(bus, subjects.CONTROL_INDEXERS, prepare) as prepared:
        body = {"into": name, "activate": False}
        posting = asyncio.create_task(running.http.post("/v1/backups/b1/restore", json=body))
        await eventually(lambda: prepared)
        async with answering(bus, subjects.control_index(name), lambda _: started.model_dump(mode="json")) as asked:
            answer = await posting
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/collections/{name}/operations/op1"
    assert (prepared[0].backup, prepared[0].into) == ("b1", name)
    assert (asked[0].command.kind, asked[0].command.backup, asked[0].command.activate) == ("restore", "b1", False)


async def test_statistics_are_the_searchers(running: RunningGateway, collection: str) -> None:
    stats = (await running.http.get(f"/v1/collections/{collection}/stats")).json()
    assert (stats["collection"], stats["items"], stats["manifest_version"]) == (collection, 3, 7)
    assert stats["process"] is None


async def test_diagnosis_has_the_owners_findings_and_says_who_does_not_answer(
    running: RunningGateway, bus: Bus, collection: str
) -> None:
    found = Diagnosis(collection=collection, findings=(Finding(check="disk", status="ok", detail="enough"),))

    async def findings() -> dict[str, dict[str, Any]]:
        diagnosis = (await running.http.get("/v1/diagnosis")).json()
        checks = {finding["check"]: finding for finding in diagnosis["findings"]}
        (own,) = [entry for entry in diagnosis["collections"] if entry["collection"] == collection]
        return {**checks, **{finding["check"]: finding for finding in own["findings"]}}

    async with answering(bus, subjects.control_index(collection), lambda _: found.model_dump(mode="json")):
        answered = await findings()
    assert answered["disk"]["status"] == "ok"
    assert answered["embedder"]["status"] == "ok"
    assert answered["searchers"]["status"] == "problem"
    alone = await findings()
    assert alone["indexer"]["status"] == "problem"
    assert "no indexer owns" in alone["indexer"]["detail"]
