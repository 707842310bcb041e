"""A run as one trace: a span for its beginning, which its attempts follow, and one for the whole of it at its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from opentelemetry import trace

from sightwire.contracts.pipelines import PipelineName, PipelineRunState, RunId
from sightwire.telemetry.tracing import context_from, traceparent_of, tracer
from sightwire_orchestrator.runs.state import Run

_tracer: Final = tracer(__name__)
_NANOSECONDS: Final = 1_000_000_000


@contextmanager
def beginning_span(pipeline: PipelineName, run: RunId) -> Iterator[str]:
    """Records the beginning of a run, within the request for it; gives the trace context for the rest of the run.

    Nothing that is stored can keep a span open over a crash, so that this one ends when the run is stored.
    """
    attributes = {"sightwire.pipeline": pipeline, "sightwire.run": run}
    with _tracer.start_as_current_span("begin run", attributes=attributes) as span:
        yield traceparent_of(span)


def record_run(run: Run) -> None:
    """Records a run that has ended, from its beginning to its end."""
    context = context_from(run.traceparent)
    if context is None or run.ended_at is None:
        return
    span = _tracer.start_span(
        f"run {run.pipeline}",
        context,
        start_time=_nanoseconds(run.started_at),
        attributes={"sightwire.pipeline": run.pipeline, "sightwire.run": run.id, "sightwire.run.state": run.state},
    )
    if run.state is PipelineRunState.FAILED:
        error = run.ending.error if run.ending is not None else None
        span.set_status(trace.Status(trace.StatusCode.ERROR, error.detail if error is not None else None))
    span.end(_nanoseconds(run.ended_at))


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * _NANOSECONDS)
