"""Alert rules: which there are, which fire, what became of them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sightwire.contracts.alerts import (
    AlertHistory,
    AlertList,
    AlertName,
    AlertReport,
    AlertRule,
    AlertState,
    DeleteAlert,
    ListAlerts,
    PutAlert,
    ReadAlert,
    ReadAlertHistory,
    SilenceAlert,
)
from sightwire.errors import InvalidInputError
from sightwire_gateway.alert_requests import SilenceCommand
from sightwire_gateway.answers import model_response
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts

router = APIRouter(tags=["alerts"])


@router.get("/v1/alerts", summary="List alert rules", response_class=Response, responses={200: {"model": AlertList}})
async def list_alerts(
    gateway: GatewayParts, state: Annotated[AlertState | None, Query(description="`firing`: the active ones")] = None
) -> Response:
    """By name, each with how it stands."""
    return model_response(await gateway.orchestrator.ask_alerts(ListAlerts(state=state), AlertList))


@router.get(
    "/v1/alerts/{name}", summary="Get an alert rule", response_class=Response, responses={200: {"model": AlertReport}}
)
async def get_alert(name: AlertName, gateway: GatewayParts) -> Response:
    return model_response(await gateway.orchestrator.ask_alerts(ReadAlert(name=name), AlertReport))


@router.put(
    "/v1/alerts/{name}",
    summary="Store an alert rule",
    response_class=Response,
    responses={200: {"model": AlertReport}},
    openapi_extra=body(json_content(AlertRule)),
)
async def put_alert(name: AlertName, request: Request, gateway: GatewayParts) -> Response:
    """In place of the one of its name; it begins anew."""
    rule = await gateway.bodies.read_json(request, AlertRule)
    if rule.name != name:
        raise InvalidInputError(f"name: expected {name!r} as in the path, got {rule.name!r}")
    return model_response(await gateway.orchestrator.ask_alerts(PutAlert(rule=rule), AlertReport))


@router.delete(
    "/v1/alerts/{name}",
    summary="Delete an alert rule",
    response_class=Response,
    responses={200: {"model": AlertReport}},
)
async def delete_alert(name: AlertName, gateway: GatewayParts) -> Response:
    """Its history stays."""
    return model_response(await gateway.orchestrator.ask_alerts(DeleteAlert(name=name), AlertReport))


@router.post(
    "/v1/alerts/{name}/silence",
    summary="Silence an alert rule",
    response_class=Response,
    responses={200: {"model": AlertReport}},
    openapi_extra=body(json_content(SilenceCommand)),
)
async def silence_alert(name: AlertName, request: Request, gateway: GatewayParts) -> Response:
    """Nobody is told of it for some time; if it fires still when that is over, it is told of then."""
    command = await gateway.bodies.read_json(request, SilenceCommand)
    asked = SilenceAlert(name=name, seconds=command.seconds)
    return model_response(await gateway.orchestrator.ask_alerts(asked, AlertReport))


@router.get(
    "/v1/alert-history",
    summary="What became of alerts",
    response_class=Response,
    responses={200: {"model": AlertHistory}},
)
async def read_history(
    gateway: GatewayParts,
    name: Annotated[AlertName | None, Query(description="Only of this rule, which may be deleted")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Response:
    """When rules fired and ceased to, the newest first."""
    return model_response(await gateway.orchestrator.ask_alerts(ReadAlertHistory(name=name, limit=limit), AlertHistory))
