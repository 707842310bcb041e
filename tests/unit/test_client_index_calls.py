"""Requests about indexes, operations, schedules, backups and training as values, and the patience of a wait."""

import inspect
from typing import Any

import pytest

from sightwire.client import (
    ApiError,
    AsyncSightwire,
    ConnectionFailedError,
    Sightwire,
    asynchronous,
    calls,
    synchronous,
)
from sightwire.client.calls import Call
from sightwire.client.patience import PollPatience
from sightwire.contracts.backups import BackupRetention
from sightwire.contracts.collections import IndexParameters, IndexType
from sightwire.contracts.operations import OperationRecord, Rebuild
from sightwire.contracts.schedules import ScheduleSpec
from sightwire.contracts.validation import GateThresholds

_CONTROL_PLANE = ["Pipelines", "Runs", "Models", "Reviews", "Reviewers"]


@pytest.mark.parametrize(
    ("call", "method", "path", "params"),
    [
        (calls.index_statistics("demo"), "GET", "/v1/collections/demo/stats", {}),
        (calls.list_generations("demo"), "GET", "/v1/collections/demo/generations", {}),
        (calls.forget_generation("demo", "g2"), "DELETE", "/v1/collections/demo/generations/g2", {}),
        (calls.read_report("demo", "g2"), "GET", "/v1/collections/demo/generations/g2/report", {}),
        (
            calls.list_operations("demo", kind="rebuild", state=None, limit=5),
            "GET",
            "/v1/collections/demo/operations",
            {"kind": "rebuild", "limit": "5"},
        ),
        (calls.get_operation("demo", "a/b"), "GET", "/v1/collections/demo/operations/a%2Fb", {}),
        (calls.cancel_operation("demo", "1"), "DELETE", "/v1/collections/demo/operations/1", {}),
        (calls.list_schedules("demo"), "GET", "/v1/collections/demo/schedules", {}),
        (
            calls.act_on_schedule("demo", "nightly", "run", trigger="cli"),
            "POST",
            "/v1/collections/demo/schedules/nightly/run",
            {"trigger": "cli"},
        ),
        (
            calls.read_calendar("demo", "nightly", upcoming=3),
            "GET",
            "/v1/collections/demo/schedules/nightly/calendar",
            {"upcoming": "3"},
        ),
        (calls.list_backups("demo"), "GET", "/v1/backups", {"collection": "demo"}),
        (calls.list_backups(None), "GET", "/v1/backups", {}),
        (calls.verify_backup("b1"), "POST", "/v1/backups/b1/verify", {}),
        (calls.diagnosis(), "GET", "/v1/diagnosis", {}),
        (calls.list_training(), "GET", "/v1/training/runs", {}),
        (calls.get_training("shapes-2"), "GET", "/v1/training/runs/shapes-2", {}),
        (calls.cancel_training("shapes-2"), "DELETE", "/v1/training/runs/shapes-2", {}),
    ],
)
def test_calls_go_where_they_should(call: Call[Any], method: str, path: str, params: dict[str, str]) -> None:
    assert (call.method, call.path, call.params) == (method, path, params)


def test_commands_leave_defaults_to_the_platform() -> None:
    by_model = calls.start_operation("demo", Rebuild(index=IndexParameters(type=IndexType.HNSW_SQ)))
    assert by_model.body["kind"] == "rebuild"
    assert by_model.body["index"]["type"] == "hnsw_sq"
    assert "gates" not in by_model.body
    by_mapping = calls.start_operation("demo", {"kind": "rebuild", "gates": GateThresholds(sample=5)})
    assert by_mapping.body["gates"]["sample"] == 5
    assert not by_model.repeatable, "a second one would be refused, or begun"


def test_schedules_and_retention_are_bodies() -> None:
    spec = ScheduleSpec.model_validate({"cron": "0 3 * * *", "command": {"kind": "backup"}})
    assert calls.put_schedule("demo", "nightly", spec).body["command"] == {"kind": "backup", "prune": True}
    assert calls.prune_backups(None, BackupRetention(keep=3)).body == {"retention": {"keep": 3}}
    assert calls.prune_backups("demo", None).body == {"collection": "demo"}
    assert calls.restore_backup("b1", into="copy", activate=False, gates=None).body == {
        "activate": False,
        "into": "copy",
    }


def test_a_configuration_is_asked_for_as_it_is() -> None:
    call = calls.request_training("shapes-2", {"epochs": 3})
    assert (call.method, call.path) == ("POST", "/v1/training/runs")
    assert call.body == {"run": "shapes-2", "configuration": {"epochs": 3}}
    (run,) = calls.list_training().read(b'{"runs": [{"run": "shapes-2", "state": "cancelled"}]}')
    assert run.has_ended


def test_lists_are_read_as_models() -> None:
    body = b"""{"operations": [{"id": "1", "collection": "demo", "collection_uid": "u", "command": {"kind": "scan"},
        "requested_by": "api", "state": "failed", "error": "no"}]}"""
    (record,) = calls.list_operations("demo", kind=None, state=None, limit=1).read(body)
    assert isinstance(record, OperationRecord)
    assert (record.command.kind, record.state.is_final, record.error) == ("scan", True, "no")


@pytest.mark.parametrize("group", ["Index", "Operations", "Schedules", "Backups", "Training", *_CONTROL_PLANE])
def test_both_clients_have_the_same_methods(group: str) -> None:
    def methods(package: Any) -> dict[str, list[str]]:
        module = getattr(package, group.lower())
        found = inspect.getmembers(getattr(module, group), inspect.isfunction)
        return {name: list(inspect.signature(method).parameters) for name, method in found}

    assert methods(synchronous) == methods(asynchronous)
    assert hasattr(Sightwire("http://127.0.0.1:9"), group.lower())
    assert hasattr(AsyncSightwire("http://127.0.0.1:9"), group.lower())


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_and_end_with_the_time() -> None:
    clock = Clock()
    patience = PollPatience(clock, timeout=2.0)
    pauses = []
    while clock.now < 102.0:
        pauses.append(patience.delay("rebuild"))
        clock.now += pauses[-1]
    assert pauses[:-1] == sorted(pauses[:-1])
    assert sum(pauses) == pytest.approx(2.0)
    with pytest.raises(ConnectionFailedError, match="rebuild has not ended within 2 s"):
        patience.delay("rebuild")


def test_waiting_without_a_limit_never_ends() -> None:
    clock = Clock()
    patience = PollPatience(clock, timeout=None)
    for _ in range(100):
        clock.now += patience.delay("rebuild")
    assert patience.delay("rebuild") == 1.0


@pytest.mark.parametrize(
    ("error", "silent_seconds", "forgiven"),
    [
        (ConnectionFailedError("gone"), 5, True),
        (ConnectionFailedError("gone"), 31, False),
        (ApiError(503, {"title": "no indexer owns it"}), 5, True),
        (ApiError(404, {"title": "no such operation"}), 0, False),
    ],
)
def test_silence_is_forgiven_for_a_while(
    error: ApiError | ConnectionFailedError, silent_seconds: float, forgiven: bool
) -> None:
    clock = Clock()
    patience = PollPatience(clock, timeout=None)
    clock.now += 1000
    patience.note_answer()
    clock.now += silent_seconds
    assert patience.forgives(error) == forgiven
