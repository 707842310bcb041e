"""Tracing with OpenTelemetry: one trace per ingested item and per query, across the bus and gRPC."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sightwire import __version__
from sightwire.settings import SharedSettings

TRACEPARENT: Final = "traceparent"

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_EXPORT_INTERVAL_MILLISECONDS: Final = 500


def configure_tracing(settings: SharedSettings, *, service: str) -> TracerProvider | None:
    """Sends spans to `otlp_endpoint` in the background; without one spans are no-ops. Call once, before any span.

    Returns:
        The provider, whose `shutdown()` flushes what is waiting; None when tracing is off.
    """
    if settings.otlp_endpoint is None:
        return None
    # Importing it takes longer than all the rest of this package.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"sightwire-{service}", "service.version": __version__}),
        sampler=ParentBased(TraceIdRatioBased(settings.trace_sample_ratio)),
    )
    exporter = OTLPSpanExporter(
        endpoint=settings.otlp_endpoint, insecure=not settings.otlp_endpoint.startswith("https")
    )
    # Its queue is bounded: with the receiver down, spans are dropped, not kept.
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_EXPORT_INTERVAL_MILLISECONDS))
    trace.set_tracer_provider(provider)
    return provider


def is_tracing() -> bool:
    """Whether this process records spans at all. Where items come by the thousand, even a no-op span costs."""
    return isinstance(trace.get_tracer_provider(), TracerProvider)


def tracer(name: str) -> trace.Tracer:
    """Tracer of a module; made once per module, it follows a provider that is configured later."""
    return trace.get_tracer(name, __version__)


def current_trace_headers() -> dict[str, str]:
    """Headers that carry the current span to another service; empty when it is not recorded."""
    traceparent = traceparent_of(trace.get_current_span())
    return {TRACEPARENT: traceparent} if traceparent else {}


def traceparent_of(span: trace.Span) -> str:
    """W3C trace context of a span; empty when it is not sampled, so that nothing travels for it."""
    context = span.get_span_context()
    if not context.is_valid or not context.trace_flags.sampled:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def context_from(traceparent: str | None) -> otel_context.Context | None:
    """Context to start a child span in, for a `traceparent` from another service; None when there is none."""
    if not traceparent:
        return None
    return _PROPAGATOR.extract({TRACEPARENT: traceparent})


@contextmanager
def continuing(traceparent: str | None) -> Iterator[None]:
    """Has spans that begin in the block follow the one that `traceparent` names, if any; here nothing is recorded."""
    context = context_from(traceparent)
    if context is None:
        yield
        return
    token = otel_context.attach(context)
    try:
        yield
    finally:
        otel_context.detach(token)


def links_to(traceparents: Iterable[str]) -> Sequence[trace.Link]:
    """Links from a batch's span to the spans of its items; unsampled items have none."""
    links = []
    for traceparent in traceparents:
        context = context_from(traceparent)
        if context is not None:
            links.append(trace.Link(trace.get_current_span(context).get_span_context()))
    return links
