"""Names of the numbers that rules are about.

| name | number |
|---|---|
| `runs.MEASURE` | of runs of all pipelines |
| `pipeline.NAME.MEASURE` | of runs of one |
| `task.PIPELINE.TASK.MEASURE` | of attempts of a task |
| `reviews.open`, `reviews.late` | reviews that wait for a decision; those of them whose deadline is over |
| `cache.hit_rate` | of look-ups of task results |
| `prometheus:QUERY` | the first value that a Prometheus server gives |

Measures: count, succeeded, failed, cancelled, success_rate, failure_rate, throughput, min, mean, max, p50, p95, p99.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from sightwire.contracts.pipelines import PipelineName, TaskName
from sightwire.errors import InvalidInputError
from sightwire_orchestrator.numbers.samples import WHOLE_RUN, Sample

PartName = Literal["reviews.open", "reviews.late", "cache.hit_rate"]

PROMETHEUS: Final = "prometheus:"
_Measure = Callable[[Sample, timedelta], float | None]
_PIPELINE: Final[TypeAdapter[str]] = TypeAdapter(PipelineName)
_TASK: Final[TypeAdapter[str]] = TypeAdapter(TaskName)


def _failure_rate(sample: Sample, _span: timedelta) -> float | None:
    rate = sample.success_rate
    return None if rate is None else 1 - rate


def _duration(read: Callable[[Sample], float]) -> _Measure:
    return lambda sample, _span: read(sample) if sample.durations.count else None


MEASURES: Final[Mapping[str, _Measure]] = {
    "count": lambda sample, _span: sample.count,
    "succeeded": lambda sample, _span: sample.succeeded,
    "failed": lambda sample, _span: sample.failed,
    "cancelled": lambda sample, _span: sample.cancelled,
    "success_rate": lambda sample, _span: sample.success_rate,
    "failure_rate": _failure_rate,
    "throughput": lambda sample, span: sample.count / span.total_seconds(),
    "min": _duration(lambda sample: sample.durations.least),
    "mean": _duration(lambda sample: sample.durations.mean),
    "max": _duration(lambda sample: sample.durations.most),
    "p50": _duration(lambda sample: sample.durations.quantile(0.5)),
    "p95": _duration(lambda sample: sample.durations.quantile(0.95)),
    "p99": _duration(lambda sample: sample.durations.quantile(0.99)),
}


@dataclass(frozen=True, slots=True)
class ExecutionMetric:
    """A measure of runs, or of attempts of a task."""

    measure: str
    #: None: of all.
    pipeline: str | None = None
    task: str = WHOLE_RUN

    def value(self, sample: Sample, span: timedelta) -> float | None:
        """The number; None when nothing that it needs was counted."""
        return MEASURES[self.measure](sample, span)


@dataclass(frozen=True, slots=True)
class PartMetric:
    """A number of another part of the control plane."""

    name: PartName


@dataclass(frozen=True, slots=True)
class PrometheusMetric:
    """What a query gives."""

    query: str


MetricName = ExecutionMetric | PartMetric | PrometheusMetric


def read_metric_name(text: str) -> MetricName:
    """What a name stands for.

    Raises:
        InvalidInputError: nothing; the message says what is expected.
    """
    if text.startswith(PROMETHEUS):
        return PrometheusMetric(text.removeprefix(PROMETHEUS))
    match text.split("."):
        case ["runs", measure] if measure in MEASURES:
            return ExecutionMetric(measure)
        case ["pipeline", pipeline, measure] if measure in MEASURES and _fits(_PIPELINE, pipeline):
            return ExecutionMetric(measure, pipeline)
        case ["task", pipeline, task, measure] if (
            measure in MEASURES and _fits(_PIPELINE, pipeline) and _fits(_TASK, task)
        ):
            return ExecutionMetric(measure, pipeline, task)
        case ["reviews", ("open" | "late") as which]:
            return PartMetric("reviews.open" if which == "open" else "reviews.late")
        case ["cache", "hit_rate"]:
            return PartMetric("cache.hit_rate")
    raise InvalidInputError(
        f"there is no metric {text!r}; expected runs.MEASURE, pipeline.NAME.MEASURE, task.PIPELINE.TASK.MEASURE, "
        f"reviews.open, reviews.late, cache.hit_rate or prometheus:QUERY, with a measure of {', '.join(MEASURES)}"
    )


def _fits(name: TypeAdapter[str], text: str) -> bool:
    try:
        name.validate_python(text)
    except ValidationError:
        return False
    return True
