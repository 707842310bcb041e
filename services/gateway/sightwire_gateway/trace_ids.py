"""The trace id that each request has, whether it is recorded or not."""

import secrets

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags


def current_trace_id() -> str:
    """Trace id of the request at hand, 32 hexadecimal digits."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


def unrecorded_span() -> NonRecordingSpan:
    """A span that is sent nowhere; it gives the logs and the problem document of one request an id in common."""
    return NonRecordingSpan(
        SpanContext(
            secrets.randbits(128) or 1,
            secrets.randbits(64) or 1,
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.DEFAULT),
        )
    )
