"""Pipelines and their runs."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from sightwire.client.calls.request import WAIT_MARGIN_SECONDS, Call, json_reader, path_segment, without_none
from sightwire.contracts.execution_metrics import ControlPlaneHealth, PipelineMetrics
from sightwire.contracts.pipeline_control import PipelineList, PipelineSummary, RunList, RunReport
from sightwire.contracts.pipelines import PipelineDefinition

RunAction = Literal["pause", "resume", "cancel", "retry"]


def submit_pipeline(definition: str | Mapping[str, Any], *, any_type: bool) -> Call[PipelineSummary]:
    """`definition` is YAML or JSON text, or the document itself."""
    text, document = (definition, None) if isinstance(definition, str) else ("", definition)
    params = {"any_type": "true"} if any_type else {}
    return Call(
        "POST", _PIPELINES, json_reader(PipelineSummary.model_validate), params=params, body=document, yaml=text
    )


def list_pipelines() -> Call[PipelineList]:
    return Call("GET", _PIPELINES, json_reader(PipelineList.model_validate))


def get_pipeline(name: str, *, version: str | None) -> Call[PipelineDefinition]:
    return Call(
        "GET", _pipeline_path(name), json_reader(PipelineDefinition.model_validate), without_none(version=version)
    )


def draw_pipeline(name: str, *, version: str | None) -> Call[str]:
    """Answered in the language of Mermaid."""
    return Call("GET", f"{_pipeline_path(name)}/graph", bytes.decode, without_none(version=version))


def pipeline_metrics(name: str, *, seconds: float, task: str | None) -> Call[PipelineMetrics]:
    params = without_none(seconds=str(seconds), task=task)
    return Call("GET", f"{_pipeline_path(name)}/metrics", json_reader(PipelineMetrics.model_validate), params)


def control_plane_health() -> Call[ControlPlaneHealth]:
    return Call("GET", "/v1/health", json_reader(ControlPlaneHealth.model_validate))


def start_run(
    pipeline: str, parameters: Mapping[str, Any] | None, *, version: str | None, run: str | None
) -> Call[RunReport]:
    return Call(
        "POST",
        f"{_pipeline_path(pipeline)}/runs",
        json_reader(RunReport.model_validate),
        body=without_none(parameters=dict(parameters or {}), version=version, run=run),
        # With an id of its own, a second one is refused rather than begun: that would hide that the first one was.
        repeatable=False,
    )


def list_runs(*, pipeline: str | None, states: Iterable[str], limit: int, cursor: str | None) -> Call[RunList]:
    params = without_none(pipeline=pipeline, state=list(states) or None, limit=str(limit), cursor=cursor)
    return Call("GET", _RUNS, json_reader(RunList.model_validate), params)


def get_run(run: str, *, wait: float | None = None) -> Call[RunReport]:
    """Answered once the run has ended, or as it stands after `wait` seconds."""
    params = {} if wait is None else {"wait": "ended", "timeout": f"{wait:g}"}
    extra_seconds = 0.0 if wait is None else wait + WAIT_MARGIN_SECONDS
    return Call("GET", _run_path(run), json_reader(RunReport.model_validate), params, extra_seconds=extra_seconds)


def steer_run(run: str, action: RunAction, *, reason: str = "") -> Call[RunReport]:
    params = {"reason": reason} if reason else {}
    path = f"{_run_path(run)}/{action}"
    return Call("POST", path, json_reader(RunReport.model_validate), params, repeatable=False)


def run_events_path(run: str) -> str:
    """Path of the server-sent events that follow a run until it has ended."""
    return f"{_run_path(run)}/events"


_PIPELINES = "/v1/pipelines"
_RUNS = "/v1/runs"


def _pipeline_path(name: str) -> str:
    return f"{_PIPELINES}/{path_segment(name)}"


def _run_path(run: str) -> str:
    return f"{_RUNS}/{path_segment(run)}"
