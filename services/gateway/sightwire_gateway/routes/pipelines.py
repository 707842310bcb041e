"""Pipelines: store definitions, look at them, begin runs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sightwire.contracts.execution_metrics import PipelineMetrics
from sightwire.contracts.pipeline_control import (
    MAX_METRICS_SECONDS,
    PipelineList,
    PipelineSummary,
    ReadMetrics,
    RunReport,
    StartRun,
    SubmitPipeline,
)
from sightwire.contracts.pipelines import PipelineDefinition, PipelineName, TaskName
from sightwire_gateway.answers import model_response
from sightwire_gateway.documentation import body, json_content, text_content
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.pipeline_requests import YAML_TYPES, RunCommand, read_definition

router = APIRouter(prefix="/v1/pipelines", tags=["pipelines"])

MERMAID = "text/vnd.mermaid"

Version = Annotated[str | None, Query(description="Another one than the newest")]


@router.post(
    "",
    status_code=201,
    summary="Store a definition",
    response_class=Response,
    responses={201: {"model": PipelineSummary}},
    openapi_extra=body(json_content(PipelineDefinition), text_content(YAML_TYPES[0])),
)
async def submit_pipeline(
    request: Request,
    gateway: GatewayParts,
    any_type: Annotated[bool, Query(description="Take types of tasks that only workers elsewhere know")] = False,
) -> Response:
    """A definition in YAML or JSON. A version, once stored, never changes; the same definition again changes nothing.
    What is wrong with one is told with line, column and path of each mistake."""
    text = await read_definition(request, gateway.bodies)
    stored = await gateway.pipelines.submit(SubmitPipeline(definition=text, origin="definition", any_type=any_type))
    return model_response(stored, 201, location=f"/v1/pipelines/{stored.name}?version={stored.version}")


@router.get("", summary="List pipelines", response_class=Response, responses={200: {"model": PipelineList}})
async def list_pipelines(gateway: GatewayParts) -> Response:
    """The newest version of each."""
    return model_response(await gateway.pipelines.pipelines())


@router.get(
    "/{name}", summary="Get a definition", response_class=Response, responses={200: {"model": PipelineDefinition}}
)
async def get_pipeline(name: PipelineName, gateway: GatewayParts, version: Version = None) -> Response:
    return model_response(await gateway.pipelines.pipeline(name, version))


@router.get(
    "/{name}/graph",
    summary="Draw a definition",
    response_class=Response,
    responses={200: {"content": {MERMAID: {"schema": {"type": "string"}}}, "description": "A flowchart for Mermaid"}},
)
async def draw_pipeline(name: PipelineName, gateway: GatewayParts, version: Version = None) -> Response:
    drawing = await gateway.pipelines.drawing(name, version)
    return Response(drawing.mermaid, media_type=MERMAID)


@router.get(
    "/{name}/metrics",
    summary="What is counted of a pipeline",
    response_class=Response,
    responses={200: {"model": PipelineMetrics}},
)
async def read_metrics(
    name: PipelineName,
    gateway: GatewayParts,
    seconds: Annotated[float, Query(ge=60, le=MAX_METRICS_SECONDS, description="Back from now")] = 3600.0,
    task: Annotated[TaskName | None, Query(description="The history tells of its attempts, too")] = None,
) -> Response:
    """Counts, success rates, throughput and durations with percentiles: of runs, of the attempts of each task, and how
    it went over that time. The first interval counts whole."""
    return model_response(await gateway.pipelines.metrics(ReadMetrics(pipeline=name, seconds=seconds, task=task)))


@router.post(
    "/{name}/runs",
    status_code=202,
    summary="Begin a run",
    response_class=Response,
    responses={202: {"model": RunReport}},
    openapi_extra=body(json_content(RunCommand)),
)
async def start_run(name: PipelineName, request: Request, gateway: GatewayParts) -> Response:
    """The run as it begins; `GET /v1/runs/{run}?wait=ended` waits for its end."""
    command = await gateway.bodies.read_json(request, RunCommand)
    report = await gateway.pipelines.start(
        StartRun(pipeline=name, version=command.version, parameters=command.parameters, run=command.run)
    )
    return model_response(report, 202, location=f"/v1/runs/{report.run}")
