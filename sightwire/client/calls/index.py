"""The index behind a collection: statistics, generations, operations; and what the doctor says."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from sightwire.client.calls.request import Call, json_reader, path_segment, plain_body, without_none
from sightwire.contracts.control import GenerationList
from sightwire.contracts.diagnosis import PlatformDiagnosis
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.statistics import IndexStatistics
from sightwire.contracts.validation import ValidationReport


def index_statistics(collection: str) -> Call[IndexStatistics]:
    return Call("GET", f"{_path(collection)}/stats", json_reader(IndexStatistics.model_validate))


def list_generations(collection: str) -> Call[GenerationList]:
    return Call("GET", f"{_path(collection)}/generations", json_reader(GenerationList.model_validate))


def forget_generation(collection: str, generation: str) -> Call[GenerationList]:
    path = f"{_path(collection)}/generations/{path_segment(generation)}"
    return Call("DELETE", path, json_reader(GenerationList.model_validate), repeatable=False)


def read_report(collection: str, generation: str) -> Call[ValidationReport]:
    path = f"{_path(collection)}/generations/{path_segment(generation)}/report"
    return Call("GET", path, json_reader(ValidationReport.model_validate))


def start_operation(collection: str, command: BaseModel | Mapping[str, Any]) -> Call[OperationRecord]:
    return Call(
        "POST",
        f"{_path(collection)}/operations",
        json_reader(OperationRecord.model_validate),
        body=plain_body(command),
        # A second one is refused while the first runs, and begun when it has ended.
        repeatable=False,
    )


def list_operations(collection: str, *, kind: str | None, state: str | None, limit: int) -> Call[list[OperationRecord]]:
    def read(answer: Any) -> list[OperationRecord]:
        return [OperationRecord.model_validate(entry) for entry in answer["operations"]]

    params = without_none(kind=kind, state=state, limit=str(limit))
    return Call("GET", f"{_path(collection)}/operations", json_reader(read), params)


def get_operation(collection: str, operation: str) -> Call[OperationRecord]:
    return Call("GET", _operation_path(collection, operation), json_reader(OperationRecord.model_validate))


def cancel_operation(collection: str, operation: str) -> Call[OperationRecord]:
    path = _operation_path(collection, operation)
    return Call("DELETE", path, json_reader(OperationRecord.model_validate), repeatable=False)


def operation_events_path(collection: str, operation: str) -> str:
    """Path of the server-sent events that follow an operation until it has ended."""
    return f"{_operation_path(collection, operation)}/events"


def diagnosis() -> Call[PlatformDiagnosis]:
    return Call("GET", "/v1/diagnosis", json_reader(PlatformDiagnosis.model_validate))


def _path(collection: str) -> str:
    return f"/v1/collections/{path_segment(collection)}"


def _operation_path(collection: str, operation: str) -> str:
    return f"{_path(collection)}/operations/{path_segment(operation)}"
