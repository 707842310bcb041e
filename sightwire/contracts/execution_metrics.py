"""What is counted of runs and tasks of pipelines, and how the control plane's parts are."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

from sightwire.contracts.pipelines import PipelineName, TaskName


class _Report(BaseModel):
    model_config = ConfigDict(frozen=True)


class DurationFigures(_Report):
    """Durations in seconds; percentiles are within 5 percent."""

    minimum: NonNegativeFloat
    mean: NonNegativeFloat
    maximum: NonNegativeFloat
    p50: NonNegativeFloat
    p95: NonNegativeFloat
    p99: NonNegativeFloat


class ExecutionFigures(_Report):
    """Of runs, or of attempts of a task, that ended within a time."""

    count: NonNegativeInt
    succeeded: NonNegativeInt
    failed: NonNegativeInt
    #: Runs alone can be.
    cancelled: NonNegativeInt = 0
    #: Share of those that were not cancelled; None: there are none.
    success_rate: float | None
    #: A second.
    throughput: NonNegativeFloat
    #: None when nothing ended.
    seconds: DurationFigures | None


class MetricsPoint(_Report):
    """Runs that ended within an interval that begins `at`, and attempts of the task that was asked for."""

    at: AwareDatetime
    runs: ExecutionFigures
    #: None unless a task was asked for.
    attempts: ExecutionFigures | None = None


class PipelineMetrics(_Report):
    """Of one pipeline, all its versions together."""

    pipeline: PipelineName
    since: AwareDatetime
    until: AwareDatetime
    runs: ExecutionFigures
    #: Attempts; what the cache or an idempotency key answered is none.
    tasks: dict[TaskName, ExecutionFigures]
    #: Intervals in which nothing ended are left out.
    history: tuple[MetricsPoint, ...]


class ComponentHealth(_Report):
    """How a part of the control plane is."""

    kind: Literal["pipeline", "model", "cache", "reviewers"]
    name: str
    state: Literal["healthy", "degraded", "failing"]
    detail: str


class ControlPlaneHealth(_Report):
    """All parts."""

    components: tuple[ComponentHealth, ...]
