"""Training runs: ask for them, list, follow, cancel."""

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from sightwire.contracts.training import RunName, TrainingRun
from sightwire_gateway.answers import json_response, model_response
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.sse import change_events
from sightwire_gateway.training_requests import TrainingCommand

router = APIRouter(prefix="/v1/training/runs", tags=["training"])


class TrainingRunList(BaseModel):
    """Training runs, the last asked for first."""

    runs: list[TrainingRun]


@router.post(
    "",
    status_code=202,
    summary="Ask for a training run",
    response_class=Response,
    responses={202: {"model": TrainingRun}},
    openapi_extra=body(json_content(TrainingCommand)),
)
async def request_run(request: Request, gateway: GatewayParts) -> Response:
    """Begins as soon as a trainer has room for it; a cancelled or failed run goes on where it ended. The trainer checks
    the configuration: one that describes no run goes to the dead letters, and the run is unknown from then on."""
    command = await gateway.bodies.read_json(request, TrainingCommand)
    run = await gateway.training.request(command.run, command.configuration)
    return model_response(run, 202, location=f"/v1/training/runs/{run.run}")


@router.get("", summary="List training runs", response_class=Response, responses={200: {"model": TrainingRunList}})
async def list_runs(gateway: GatewayParts) -> Response:
    """Those of the last 90 days."""
    runs = await gateway.training.list()
    return json_response({"runs": [orjson.Fragment(run.model_dump_json().encode()) for run in runs]})


@router.get(
    "/{run}", summary="How a training run stands", response_class=Response, responses={200: {"model": TrainingRun}}
)
async def get_run(run: RunName, gateway: GatewayParts) -> Response:
    return model_response(await gateway.training.get(run))


@router.delete(
    "/{run}", summary="Cancel a training run", response_class=Response, responses={200: {"model": TrainingRun}}
)
async def cancel_run(run: RunName, gateway: GatewayParts) -> Response:
    """One that waits is not begun with; one that is carried out writes a checkpoint and ends soon after the answer."""
    return model_response(await gateway.training.cancel(run))


@router.get("/{run}/events", summary="Follow a training run", response_class=Response)
async def follow_run(run: RunName, gateway: GatewayParts) -> Response:
    """Server-sent events `run`, one for each change, until it has ended; then one event `end`."""
    await gateway.training.get(run)
    return change_events("run", gateway.training.follow(run), stopping=gateway.stopping)
