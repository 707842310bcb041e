"""Spans of a reload: one that did the work, and one in the trace of each item that it made searchable."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Link, SpanKind

from sightwire.telemetry.tracing import context_from, links_to, tracer
from sightwire_searcher.loading.reload_requests import ReloadRequest

_tracer = tracer(__name__)


@contextmanager
def reload_span(request: ReloadRequest, searcher: str) -> Iterator[trace.Span]:
    """Spans the load of `request`; when it succeeded, every item's trace gets its span too.

    A load on which no trace waits, such as the regular check for missed events, is not worth a trace of its own.
    """
    if not request.traceparents:
        yield INVALID_SPAN
        return
    attributes = {"sightwire.collection": request.record.name, "sightwire.searcher": searcher}
    started = time.time_ns()
    with _tracer.start_as_current_span(
        "load snapshot", kind=SpanKind.CONSUMER, links=links_to(request.traceparents), attributes=attributes
    ) as span:
        yield span
        if not span.is_recording():
            return
        ended = time.time_ns()
        links = [Link(span.get_span_context())]
        for traceparent in request.traceparents:
            item_span = _tracer.start_span(
                "reload",
                context=context_from(traceparent),
                kind=SpanKind.CONSUMER,
                links=links,
                attributes=attributes,
                start_time=started,
            )
            item_span.end(end_time=ended)
