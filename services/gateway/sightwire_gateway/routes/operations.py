"""Operations on the index behind a collection: start, list, follow, cancel."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import CancelOperation, StartOperation
from sightwire.contracts.operations import OperationRecord, OperationState
from sightwire_gateway.answers import json_response
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import Gateway, GatewayParts
from sightwire_gateway.index_requests import OperationCommand
from sightwire_gateway.operations import find_operation, follow_until_ended, newest_first, public_operation
from sightwire_gateway.sse import change_events

router = APIRouter(prefix="/v1/collections/{collection}/operations", tags=["index"])

OperationKind = Literal["rebuild", "validate", "switch", "rollback", "backup", "restore", "scan"]


class OperationList(BaseModel):
    """Operations, newest first."""

    operations: list[OperationRecord]


def operation_response(answer: Any, index: CollectionRecord, status_code: int = 200) -> Response:
    """An operation as the owner of an index answered with it; with its address when it has just begun."""
    record = OperationRecord.model_validate(answer)
    headers = {}
    if status_code == 202:
        headers["location"] = f"/v1/collections/{index.users_name}/operations/{record.id}"
    content = public_operation(record, index)
    return Response(content, status_code=status_code, media_type="application/json", headers=headers)


@router.post(
    "",
    status_code=202,
    summary="Start an operation",
    response_class=Response,
    responses={202: {"model": OperationRecord}},
    openapi_extra=body(json_content(OperationCommand)),
)
async def start_operation(collection: str, request: Request, gateway: GatewayParts) -> Response:
    """Begins to rebuild, validate, switch, roll back, back up, restore or scan. One operation of a collection runs at a
    time: another one is refused with 409."""
    index = gateway.collections.answering(collection)
    command = await gateway.bodies.read_json(request, OperationCommand)
    answer = await gateway.owners.ask_index(index, StartOperation(command=command.root))
    return operation_response(answer, index, 202)


@router.get("", summary="List operations", response_class=Response, responses={200: {"model": OperationList}})
async def list_operations(
    collection: str,
    gateway: GatewayParts,
    kind: OperationKind | None = None,
    state: OperationState | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Those of the last 30 days, newest first."""
    index = gateway.collections.answering(collection)
    shown = newest_first(await gateway.operations.list(index), kind=kind, state=state, limit=limit)
    return json_response({"operations": [orjson.Fragment(public_operation(record, index)) for record in shown]})


@router.get(
    "/{operation}",
    summary="How an operation stands",
    response_class=Response,
    responses={200: {"model": OperationRecord}},
)
async def get_operation(collection: str, operation: str, gateway: GatewayParts) -> Response:
    index, record = await _found(gateway, collection, operation)
    return Response(public_operation(record, index), media_type="application/json")


@router.delete(
    "/{operation}", summary="Cancel an operation", response_class=Response, responses={200: {"model": OperationRecord}}
)
async def cancel_operation(collection: str, operation: str, gateway: GatewayParts) -> Response:
    """Ends an operation that runs; the answer comes once it has ended. Live is what it was."""
    index, _ = await _found(gateway, collection, operation)
    return operation_response(await gateway.owners.ask_index(index, CancelOperation(operation=operation)), index)


@router.get("/{operation}/events", summary="Follow an operation", response_class=Response)
async def follow_operation(collection: str, operation: str, gateway: GatewayParts) -> Response:
    """Server-sent events `operation`, one for each change, until it has ended; then one event `end`."""
    index, _ = await _found(gateway, collection, operation)
    changes = follow_until_ended(gateway.operations, index, operation)
    return change_events("operation", changes, stopping=gateway.stopping)


async def _found(gateway: Gateway, collection: str, operation: str) -> tuple[CollectionRecord, OperationRecord]:
    copies = gateway.collections.copies(gateway.collections.get(collection))
    return await find_operation(gateway.operations, collection, copies, operation)
