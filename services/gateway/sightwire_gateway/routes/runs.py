"""Runs of pipelines: list, follow, steer."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from sightwire.contracts.pipeline_control import ListRuns, RunList, RunReport, SteerRun
from sightwire.contracts.pipelines import PipelineName, PipelineRunState, RunId
from sightwire_gateway.answers import model_response
from sightwire_gateway.callers import RequestCaller
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.sse import change_events

router = APIRouter(prefix="/v1/runs", tags=["pipelines"])


@router.get("", summary="List runs", response_class=Response, responses={200: {"model": RunList}})
async def list_runs(
    gateway: GatewayParts,
    pipeline: PipelineName | None = None,
    state: Annotated[list[PipelineRunState] | None, Query(description="May be repeated")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> Response:
    """The newest first."""
    wanted = ListRuns(pipeline=pipeline, states=tuple(state or ()), limit=limit, cursor=cursor)
    return model_response(await gateway.pipelines.runs(wanted))


@router.get("/{run}", summary="How a run stands", response_class=Response, responses={200: {"model": RunReport}})
async def get_run(
    run: RunId,
    gateway: GatewayParts,
    wait: Annotated[
        Literal["ended"] | None, Query(description="Answer when the run has ended, or as it stands after `timeout`")
    ] = None,
    seconds: Annotated[float, Query(alias="timeout", gt=0, description="How long `wait` waits, in seconds")] = 30.0,
) -> Response:
    """The run, its tasks with what they gave, and its results."""
    if wait is None:
        return model_response(await gateway.pipelines.run(run))
    longest = gateway.settings.gateway_max_wait_seconds
    return model_response(await gateway.runs.wait_for_end(run, min(seconds, longest)))


@router.get("/{run}/events", summary="Follow a run", response_class=Response)
async def follow_run(run: RunId, gateway: GatewayParts) -> Response:
    """Server-sent events `run`, one for each change, until it has ended; then one event `end`."""
    await gateway.pipelines.run(run)
    return change_events("run", gateway.runs.follow(run), stopping=gateway.stopping)


@router.post(
    "/{run}/{action}",
    summary="Pause, resume, cancel or retry a run",
    response_class=Response,
    responses={200: {"model": RunReport}},
)
async def steer_run(
    run: RunId,
    action: Literal["pause", "resume", "cancel", "retry"],
    gateway: GatewayParts,
    caller: RequestCaller,
    reason: Annotated[str, Query(max_length=1000, description="Kept with a run that is cancelled")] = "",
) -> Response:
    """A paused run begins nothing more; a cancelled one ends at once; a failed or cancelled one is retried from the
    tasks that did not succeed."""
    return model_response(
        await gateway.pipelines.steer(SteerRun(run=run, action=action, by=caller.name, reason=reason))
    )
