"""Pipelines: what people write, what a run of one is, and what orchestrator and workers say to each other.

A definition is a directed acyclic graph of tasks. The orchestrator sends each task that may begin to a work queue,
`tasks.<type>`; any worker that knows the type carries it out and answers on `tasks.result.<run>`.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
)

from sightwire.contracts.operations import Progress

PipelineName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
TaskName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
TaskType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
RunId = Annotated[str, StringConstraints(pattern=r"^[0-9a-z][0-9a-z-]{0,62}$")]


class _Definition(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Backoff(StrEnum):
    """How the wait before the next attempt grows."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class RetryPolicy(_Definition):
    """When a failed task is tried again."""

    max_attempts: PositiveInt = Field(default=1, le=100, description="In all, the first one included")
    backoff: Backoff = Backoff.EXPONENTIAL
    initial_delay: NonNegativeFloat = Field(default=1.0, description="Seconds before the second attempt")
    max_delay: PositiveFloat = Field(default=60.0, description="Seconds that no wait exceeds")
    jitter: float = Field(default=0.1, ge=0, le=1, description="Share of the wait that is random")


class Escalation(_Definition):
    """Who is asked when a review is late."""

    after: PositiveFloat = Field(description="Seconds after the deadline")
    to: str = Field(description="A reviewer's id, or a specialization")


class ReviewDemand(_Definition):
    """A person decides about a task's output before the run goes on."""

    specialization: str = ""
    priority: Literal["low", "normal", "high", "urgent"] = "normal"
    deadline: PositiveFloat = Field(default=86_400.0, description="Seconds from when the review is asked for")
    escalation: tuple[Escalation, ...] = ()
    instructions: str = ""
    max_changes: NonNegativeInt = Field(
        default=3, description="How often changes may be asked for; the task fails when they are asked for once more"
    )


class Callback(_Definition):
    """Whom an HTTP request tells of the end of a run; the event on the bus comes besides."""

    url: str
    secret: str | None = Field(default=None, description="Name of the configured key that signs it")


class TaskDefinition(_Definition):
    """One step."""

    name: TaskName
    type: TaskType
    model: str | None = None
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict, description="`{task_output.path}` in a string stands for that part of a task's output"
    )
    dependencies: tuple[TaskName, ...] = Field(default=(), description="Besides the tasks that parameters refer to")
    timeout: PositiveFloat = Field(default=300.0, description="Seconds for one attempt")
    retry: RetryPolicy = RetryPolicy()
    cache_enabled: bool = Field(
        default=False, description="Whether its output may be one that the same model and parameters gave before"
    )
    cache_tags: tuple[str, ...] = Field(
        default=(), description="By which results are deleted, beside `pipeline:…`, `task:…`, `type:…`, `model:…`"
    )
    condition: str | None = Field(default=None, description="CEL expression; false: the task is skipped")
    map: str | None = Field(
        default=None, description="Reference to a list: the task runs for each element, which is `{item}`"
    )
    idempotency_key: str | None = Field(default=None, description="References allowed; one result for each key")
    optional: bool = Field(default=False, description="Its failure does not end the run; its output is then null")
    review: ReviewDemand | None = None


class PipelineDefinition(_Definition):
    """What a pipeline file says."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="PipelineDefinition")

    name: PipelineName
    description: str = ""
    version: str = "1"
    tasks: tuple[TaskDefinition, ...] = Field(min_length=1)
    global_parameters: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="`{name}` in a task's parameters; `output_mapping` in it names the run's results",
    )
    cache_ttl: PositiveFloat | None = Field(
        default=None, description="Seconds that results of tasks with `cache_enabled` are kept; none: as configured"
    )
    enable_monitoring: bool = True
    max_parallel_tasks: PositiveInt = 10
    timeout: PositiveFloat | None = Field(default=None, description="Seconds for the whole run")
    on_completion: tuple[Callback, ...] = ()
    on_error: tuple[Callback, ...] = ()


class TaskState(StrEnum):
    """How a task of a run stands."""

    WAITING = "waiting"
    RUNNING = "running"
    RETRYING = "retrying"
    IN_REVIEW = "in_review"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in {TaskState.SUCCEEDED, TaskState.SKIPPED, TaskState.FAILED, TaskState.CANCELLED}


class PipelineRunState(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in {PipelineRunState.SUCCEEDED, PipelineRunState.FAILED, PipelineRunState.CANCELLED}


class TaskError(BaseModel):
    """Why an attempt failed."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(examples=["timeout", "invalid-input", "unavailable"])
    detail: str
    #: Whether another attempt, with nothing changed, may succeed.
    transient: bool = False


class TaskOrder(BaseModel):
    """Message on `tasks.<type>`: carry out one attempt of a task, or of one element of a mapped one."""

    model_config = ConfigDict(frozen=True, title="TaskOrder")

    run: RunId
    pipeline: PipelineName
    task: TaskName
    type: TaskType
    #: Position in the list of a mapped task.
    element: NonNegativeInt | None = None
    attempt: PositiveInt
    model: str | None = None
    #: References are resolved.
    parameters: dict[str, JsonValue]
    idempotency_key: str | None = None
    #: What a reviewer of the task's last output asked to be changed.
    feedback: str | None = None
    deadline: AwareDatetime


class TaskResult(BaseModel):
    """Message on `tasks.result.<run>`: what became of an attempt."""

    model_config = ConfigDict(frozen=True, title="TaskResult")

    run: RunId
    task: TaskName
    element: NonNegativeInt | None = None
    attempt: PositiveInt
    worker: str
    output: JsonValue = None
    error: TaskError | None = None
    #: Whether the output is kept from an earlier attempt of the same task with the same parameters.
    cached: bool = False
    #: Of the program that carried it out; results of another version may be others.
    handler_version: str = ""
    started_at: AwareDatetime
    ended_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class AttemptAbandoned(BaseModel):
    """Message on `control.workers`: nobody waits for an attempt any longer; whoever carries it out stops."""

    model_config = ConfigDict(frozen=True, title="AttemptAbandoned")

    run: RunId
    task: TaskName
    element: NonNegativeInt | None = None
    attempt: PositiveInt
    reason: str


class AttemptProgress(BaseModel):
    """Message on `tasks.progress.<run>`: how far an attempt is. Kept nowhere; the next one takes its place."""

    model_config = ConfigDict(frozen=True, title="AttemptProgress")

    run: RunId
    task: TaskName
    element: NonNegativeInt | None = None
    attempt: PositiveInt
    progress: Progress


class PipelineRunEnded(BaseModel):
    """Message on `pipelines.ended.<run>`: a run has ended. One that is retried after that ends again."""

    model_config = ConfigDict(frozen=True, title="PipelineRunEnded")

    run: RunId
    pipeline: PipelineName
    version: str
    state: PipelineRunState
    #: The task that it failed by.
    task: TaskName | None = None
    error: TaskError | None = None
    #: What `output_mapping` says; empty unless it succeeded.
    results: dict[str, JsonValue] = Field(default_factory=dict)
    #: Number of its last event, which tells its ends apart.
    sequence: PositiveInt
    started_at: AwareDatetime
    ended_at: AwareDatetime


def attempt_id(attempt: TaskOrder | TaskResult | AttemptAbandoned | AttemptProgress) -> str:
    """Names an attempt among all attempts of all runs."""
    element = "-" if attempt.element is None else attempt.element
    return f"{attempt.run}.{attempt.task}.{element}.{attempt.attempt}"
