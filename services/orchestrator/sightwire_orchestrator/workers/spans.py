"""Attempts in traces: a span each, which what its handler asks of other services follows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace

from sightwire.contracts.pipelines import TaskOrder, TaskResult
from sightwire.telemetry.tracing import TRACEPARENT, context_from, is_tracing, tracer

_tracer: Final = tracer(__name__)


@contextmanager
def attempt_span(order: TaskOrder, headers: Mapping[str, str]) -> Iterator[None]:
    """Records the attempt that the block carries out, in the trace of its run."""
    if not is_tracing():
        yield
        return
    attributes: dict[str, str | int] = {
        "sightwire.run": order.run,
        "sightwire.pipeline": order.pipeline,
        "sightwire.task": order.task,
        "sightwire.attempt": order.attempt,
    }
    if order.element is not None:
        attributes["sightwire.element"] = order.element
    context = context_from(headers.get(TRACEPARENT))
    with _tracer.start_as_current_span(
        f"task {order.type}", context, kind=trace.SpanKind.CONSUMER, attributes=attributes
    ):
        yield


def note_outcome(result: TaskResult) -> None:
    """Tells the attempt's span what became of it."""
    if result.error is not None:
        status = trace.Status(trace.StatusCode.ERROR, f"{result.error.code}: {result.error.detail}")
        trace.get_current_span().set_status(status)
