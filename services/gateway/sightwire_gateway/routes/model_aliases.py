"""Aliases of models: which version `live`, `candidate` or `default` means, and what each meant before."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sightwire.contracts.model_control import (
    AliasMoves,
    ListAliases,
    ReadAliasHistory,
    RemoveAlias,
    RollBackAlias,
    SetAlias,
)
from sightwire.contracts.models import AliasMove, AliasName, ModelName
from sightwire_gateway.answers import model_response
from sightwire_gateway.callers import RequestCaller
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.model_requests import AliasCommand, RollBackCommand

router = APIRouter(prefix="/v1/models/{name}/aliases", tags=["models"])


@router.get("", summary="List aliases", response_class=Response, responses={200: {"model": AliasMoves}})
async def list_aliases(name: ModelName, gateway: GatewayParts) -> Response:
    """The last move of each alias that the model has."""
    return model_response(await gateway.orchestrator.ask_models(ListAliases(name=name), AliasMoves))


@router.get("/{alias}", summary="What an alias meant", response_class=Response, responses={200: {"model": AliasMoves}})
async def get_history(name: ModelName, alias: AliasName, gateway: GatewayParts) -> Response:
    """All moves of an alias, the last one first."""
    return model_response(await gateway.orchestrator.ask_models(ReadAliasHistory(name=name, alias=alias), AliasMoves))


@router.put(
    "/{alias}",
    summary="Move an alias",
    response_class=Response,
    responses={200: {"model": AliasMove}},
    openapi_extra=body(json_content(AliasCommand)),
)
async def set_alias(
    name: ModelName, alias: AliasName, request: Request, gateway: GatewayParts, caller: RequestCaller
) -> Response:
    command = await gateway.bodies.read_json(request, AliasCommand)
    asked = SetAlias(
        name=name,
        alias=alias,
        version=command.version,
        expected=command.expected,
        by=caller.name,
        reason=command.reason,
    )
    return model_response(await gateway.orchestrator.ask_models(asked, AliasMove))


@router.delete("/{alias}", summary="Take an alias away", response_class=Response, responses={200: {"model": AliasMove}})
async def remove_alias(
    name: ModelName,
    alias: AliasName,
    gateway: GatewayParts,
    caller: RequestCaller,
    expected: Annotated[ModelName | None, Query(description="Refused when it means another version")] = None,
    reason: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    asked = RemoveAlias(name=name, alias=alias, expected=expected, by=caller.name, reason=reason)
    return model_response(await gateway.orchestrator.ask_models(asked, AliasMove))


@router.post(
    "/{alias}/rollback",
    summary="Move an alias back",
    response_class=Response,
    responses={200: {"model": AliasMove}},
    openapi_extra=body(json_content(RollBackCommand)),
)
async def roll_back_alias(
    name: ModelName, alias: AliasName, request: Request, gateway: GatewayParts, caller: RequestCaller
) -> Response:
    """It means again what it meant before its last move."""
    command = await gateway.bodies.read_json(request, RollBackCommand)
    asked = RollBackAlias(name=name, alias=alias, by=caller.name, reason=command.reason)
    return model_response(await gateway.orchestrator.ask_models(asked, AliasMove))
