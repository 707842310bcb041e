"""Routes of training runs; what a trainer tells is told by the tests."""

from collections.abc import Callable
from datetime import UTC, datetime

import orjson

from services.gateway.tests.http_gateway import RunningGateway
from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.streams import TRAINING
from sightwire.contracts.training import RunState, TrainingCompleted, TrainingProgress

_RUNS = "/v1/training/runs"


async def test_a_run_is_asked_for_listed_and_told(
    running: RunningGateway, bus: Bus, unique_name: Callable[[str], str]
) -> None:
    run = unique_name("run")
    answer = await running.http.post(_RUNS, json={"run": run, "configuration": {"epochs": 2}})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{_RUNS}/{run}"
    assert (answer.json()["run"], answer.json()["state"]) == (run, "waiting")
    asked = await _last_request(bus)
    assert (asked["run"], asked["configuration"]) == (run, {"epochs": 2})

    await _tell(bus, TrainingProgress(run=run, step=3, steps=10, epoch=0, loss=0.5, seconds_left=7))
    standing = (await running.http.get(f"{_RUNS}/{run}")).json()
    assert (standing["state"], standing["step"], standing["steps"], standing["seconds_left"]) == ("running", 3, 10, 7)
    listed = (await running.http.get(_RUNS)).json()["runs"]
    assert listed[0] == standing, "the last asked for is the first"

    await _tell(bus, TrainingCompleted(run=run, state=RunState.COMPLETED, steps=10, bundle="/b", measures={"r": 0.5}))
    ended = (await running.http.get(f"{_RUNS}/{run}")).json()
    assert (ended["state"], ended["bundle"], ended["measures"]) == ("completed", "/b", {"r": 0.5})
    assert (await running.http.post(_RUNS, json={"run": run, "configuration": {}})).json()["state"] == "waiting"


async def test_a_run_that_waits_is_cancelled_once(running: RunningGateway, unique_name: Callable[[str], str]) -> None:
    run = unique_name("run")
    await running.http.post(_RUNS, json={"run": run, "configuration": {}})
    cancelled = await running.http.delete(f"{_RUNS}/{run}")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    again = await running.http.delete(f"{_RUNS}/{run}")
    assert (again.status_code, "has ended" in again.json()["detail"]) == (409, True)


async def test_a_run_is_followed_to_its_end(
    running: RunningGateway, bus: Bus, unique_name: Callable[[str], str]
) -> None:
    run = unique_name("run")
    await running.http.post(_RUNS, json={"run": run, "configuration": {}})
    seen: list[tuple[str, str]] = []
    async with running.http.stream("GET", f"{_RUNS}/{run}/events") as stream:
        name = ""
        async for line in stream.aiter_lines():
            if line.startswith("event:"):
                name = line.removeprefix("event: ")
            if not line.startswith("data:"):
                continue
            told = orjson.loads(line.removeprefix("data: "))
            seen.append((name, told.get("state") or told["reason"]))
            if len(seen) == 1:
                await _tell(bus, TrainingProgress(run=run, step=1, steps=2, epoch=0))
            if len(seen) == 2:
                await _tell(bus, TrainingCompleted(run=run, state=RunState.FAILED, reason="no room"))
    assert seen == [("run", "waiting"), ("run", "running"), ("run", "failed"), ("end", "final")]


async def test_what_is_no_run_is_told(running: RunningGateway) -> None:
    http = running.http
    for unknown in (f"{_RUNS}/nobody-asked", f"{_RUNS}/nobody-asked/events"):
        assert (await http.get(unknown)).status_code == 404
    assert (await http.delete(f"{_RUNS}/nobody-asked")).status_code == 404
    assert (await http.get(f"{_RUNS}/NO%20NAME")).status_code == 422
    for body in ({"run": "NO NAME", "configuration": {}}, {"run": "a"}, {"run": "a", "configuration": {}, "more": 1}):
        assert (await http.post(_RUNS, json=body)).status_code == 422


async def _tell(bus: Bus, event: TrainingProgress | TrainingCompleted) -> None:
    is_progress = isinstance(event, TrainingProgress)
    subject = subjects.training_progress(event.run) if is_progress else subjects.TRAINING_COMPLETED
    event = event.model_copy(update={"at": datetime.now(UTC)})
    await bus.publish(subject, event.model_dump_json().encode(), {})


async def _last_request(bus: Bus) -> dict[str, object]:
    message = await bus.jetstream.get_last_msg(TRAINING.name, subjects.TRAINING_REQUESTED)
    request: dict[str, object] = orjson.loads(message.data or b"")
    return request
