"""Requests to the orchestrator on `control.pipelines`, by NATS request and reply, JSON both ways."""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, NonNegativeInt, TypeAdapter

from sightwire.contracts.operations import Progress
from sightwire.contracts.pipelines import (
    PipelineName,
    PipelineRunState,
    RunId,
    TaskError,
    TaskName,
    TaskState,
)

MAX_METRICS_SECONDS: Final = 10 * 365 * 86_400.0


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SubmitPipeline(_Request):
    """Stores a definition. Answered by its PipelineSummary. The same one again changes nothing."""

    ask: Literal["submit"] = "submit"
    definition: str | dict[str, JsonValue] = Field(description="YAML or JSON text, or the document itself")
    origin: str = Field(default="the definition", description="What messages call it, such as the path of its file")
    any_type: bool = Field(default=False, description="Take types of tasks that the orchestrator does not know")


class ListPipelines(_Request):
    """Answered by a PipelineList: the newest version of each."""

    ask: Literal["pipelines"] = "pipelines"


class ReadPipeline(_Request):
    """Answered by the PipelineDefinition."""

    ask: Literal["pipeline"] = "pipeline"
    pipeline: PipelineName
    version: str | None = None


class DrawPipeline(_Request):
    """Answered by a PipelineDrawing."""

    ask: Literal["draw"] = "draw"
    pipeline: PipelineName
    version: str | None = None


class StartRun(_Request):
    """Begins a run. Answered by its RunReport."""

    ask: Literal["start"] = "start"
    pipeline: PipelineName
    version: str | None = Field(default=None, description="None: the newest")
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    run: RunId | None = Field(default=None, description="Its id; refused when there is one of this id; None: any")


class ReadRun(_Request):
    """Answered by its RunReport."""

    ask: Literal["run"] = "run"
    run: RunId


class ListRuns(_Request):
    """Answered by a RunList, the newest first."""

    ask: Literal["runs"] = "runs"
    pipeline: PipelineName | None = None
    states: tuple[PipelineRunState, ...] = ()
    limit: int = Field(default=50, ge=1, le=1000)
    cursor: str | None = None


class ReadMetrics(_Request):
    """Answered by PipelineMetrics (`sightwire.contracts.execution_metrics`), which are some seconds old."""

    ask: Literal["metrics"] = "metrics"
    pipeline: PipelineName
    seconds: float = Field(default=3600.0, ge=60, le=MAX_METRICS_SECONDS, description="Back from now")
    task: TaskName | None = Field(default=None, description="The history tells of its attempts, too")


class ReadHealth(_Request):
    """Answered by ControlPlaneHealth (`sightwire.contracts.execution_metrics`)."""

    ask: Literal["health"] = "health"


class SteerRun(_Request):
    """Pauses, resumes or cancels a run, or takes up one that failed. Answered by its RunReport afterwards."""

    ask: Literal["steer"] = "steer"
    run: RunId
    action: Literal["pause", "resume", "cancel", "retry"]
    by: str = ""
    reason: str = ""


PipelinesRequest = (
    SubmitPipeline
    | ListPipelines
    | ReadPipeline
    | DrawPipeline
    | StartRun
    | ReadRun
    | ListRuns
    | ReadMetrics
    | ReadHealth
    | SteerRun
)
PIPELINES_REQUESTS: TypeAdapter[PipelinesRequest] = TypeAdapter(Annotated[PipelinesRequest, Field(discriminator="ask")])


class PipelineSummary(BaseModel):
    """A stored definition."""

    model_config = ConfigDict(frozen=True)

    name: PipelineName
    version: str
    #: Which version of its name it is, from 1.
    number: int
    description: str = ""
    tasks: int
    sha256: str
    registered_at: AwareDatetime


class PipelineList(BaseModel):
    """Stored definitions."""

    model_config = ConfigDict(frozen=True)

    pipelines: tuple[PipelineSummary, ...]


class PipelineDrawing(BaseModel):
    """A definition as a graph."""

    model_config = ConfigDict(frozen=True)

    #: A flowchart in the language of Mermaid.
    mermaid: str


class TaskReport(BaseModel):
    """How a task of a run stands."""

    model_config = ConfigDict(frozen=True)

    name: TaskName
    type: str
    state: TaskState
    #: Attempts in all; of a mapped task those of all its elements.
    attempts: NonNegativeInt
    #: Of a mapped task whose list is known.
    elements: NonNegativeInt | None = None
    #: How many outputs came from the cache: 0 or 1, of a mapped task one for each element.
    cached: NonNegativeInt = 0
    #: While it runs: what it tells of itself, of a mapped task how many elements have ended.
    progress: Progress | None = None
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    output: JsonValue = None
    error: TaskError | None = None


class RunReport(BaseModel):
    """How a run stands."""

    model_config = ConfigDict(frozen=True)

    run: RunId
    pipeline: PipelineName
    version: str
    state: PipelineRunState
    parameters: dict[str, JsonValue]
    #: In the order of the definition.
    tasks: tuple[TaskReport, ...]
    results: dict[str, JsonValue]
    #: The task that it failed by.
    failed_task: TaskName | None = None
    error: TaskError | None = None
    #: How many of its tasks have ended.
    progress: Progress | None = None
    started_at: AwareDatetime
    deadline: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None


class RunSummary(BaseModel):
    """A run in a list."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: RunId
    pipeline: PipelineName
    version: str
    state: PipelineRunState
    started_at: AwareDatetime
    updated_at: AwareDatetime
    ended_at: AwareDatetime | None = None


class RunList(BaseModel):
    """A page of runs; `next_cursor` asks for those that follow."""

    model_config = ConfigDict(frozen=True)

    runs: tuple[RunSummary, ...]
    next_cursor: str | None = None
