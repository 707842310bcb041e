"""Schedules of a collection."""

from collections.abc import Mapping
from typing import Any

from sightwire.client.calls.request import Call, json_reader, path_segment, plain_body
from sightwire.contracts.schedules import Calendar, ScheduleRecord, ScheduleSpec


def put_schedule(collection: str, name: str, spec: ScheduleSpec | Mapping[str, Any]) -> Call[ScheduleRecord]:
    return Call("PUT", _path(collection, name), json_reader(ScheduleRecord.model_validate), body=plain_body(spec))


def list_schedules(collection: str) -> Call[list[ScheduleRecord]]:
    def read(answer: Any) -> list[ScheduleRecord]:
        return [ScheduleRecord.model_validate(entry) for entry in answer["schedules"]]

    return Call("GET", f"/v1/collections/{path_segment(collection)}/schedules", json_reader(read))


def get_schedule(collection: str, name: str) -> Call[ScheduleRecord]:
    return Call("GET", _path(collection, name), json_reader(ScheduleRecord.model_validate))


def delete_schedule(collection: str, name: str) -> Call[None]:
    return Call("DELETE", _path(collection, name), lambda _body: None, repeatable=False)


def act_on_schedule(collection: str, name: str, action: str, *, trigger: str | None = None) -> Call[ScheduleRecord]:
    """`action` is one of run, pause and resume; `trigger` says who asks, `api` unless given."""
    return Call(
        "POST",
        f"{_path(collection, name)}/{action}",
        json_reader(ScheduleRecord.model_validate),
        params={"trigger": trigger} if trigger is not None else {},
        repeatable=action != "run",
    )


def read_calendar(collection: str, name: str, *, upcoming: int) -> Call[Calendar]:
    path = f"{_path(collection, name)}/calendar"
    return Call("GET", path, json_reader(Calendar.model_validate), {"upcoming": str(upcoming)})


def _path(collection: str, name: str) -> str:
    return f"/v1/collections/{path_segment(collection)}/schedules/{path_segment(name)}"
