"""Backups: list, verify, prune, restore. One is made by an operation of its collection."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from sightwire.contracts.backups import BackupSummary, BackupVerification
from sightwire.contracts.control import ListBackups, PruneBackups, VerifyBackup
from sightwire.contracts.names import CollectionName
from sightwire.contracts.operations import BackupId, OperationRecord, Restore
from sightwire_gateway.answers import json_response
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.index_requests import PruneRequest, RestoreRequest
from sightwire_gateway.routes.operations import operation_response

router = APIRouter(prefix="/v1/backups", tags=["index"])


class BackupList(BaseModel):
    """Backups, newest first."""

    backups: list[BackupSummary]


@router.get("", summary="List backups", response_class=Response, responses={200: {"model": BackupList}})
async def list_backups(gateway: GatewayParts, collection: CollectionName | None = None) -> Response:
    """Newest first; those of deleted collections too."""
    backups: list[Any] = await gateway.control.ask_any(ListBackups(collection=collection))
    return json_response({"backups": backups})


@router.post(
    "/prune",
    summary="Remove old backups",
    response_class=Response,
    responses={200: {"model": BackupList, "description": "Those that went"}},
    openapi_extra=body(json_content(PruneRequest)),
)
async def prune_backups(request: Request, gateway: GatewayParts) -> Response:
    """Removes those that the retention does not protect, and what only they needed. The newest always stays."""
    wanted = await gateway.bodies.read_json(request, PruneRequest)
    backups: list[Any] = await gateway.control.ask_any(
        PruneBackups(collection=wanted.collection, retention=wanted.retention),
        timeout=gateway.settings.gateway_backup_seconds,
    )
    return json_response({"backups": backups})


@router.post(
    "/{backup}/verify",
    summary="Read a backup back",
    response_class=Response,
    responses={200: {"model": BackupVerification}},
)
async def verify_backup(backup: BackupId, gateway: GatewayParts) -> Response:
    """Reads every file and compares checksums; takes as long as its bytes take to be read."""
    seconds = gateway.settings.gateway_backup_seconds
    return json_response(await gateway.control.ask_any(VerifyBackup(backup=backup), timeout=seconds))


@router.post(
    "/{backup}/restore",
    status_code=202,
    summary="Restore a backup",
    response_class=Response,
    responses={202: {"model": OperationRecord}},
    openapi_extra=body(json_content(RestoreRequest)),
)
async def restore_backup(backup: BackupId, request: Request, gateway: GatewayParts) -> Response:
    """Begins to bring a backup back as a new generation of its collection, or of another one, which is created if it
    does not exist."""
    wanted = await gateway.bodies.read_json(request, RestoreRequest)
    command = Restore(backup=backup, activate=wanted.activate, gates=wanted.gates)
    operation, index = await gateway.restoring.start(command, into=wanted.into)
    return operation_response(operation, index, 202)
