"""Ingest events as messages of the bus: with their trace contexts, and several in one where that is allowed."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from sightwire.bus.connection import OutgoingMessage
from sightwire.bus.headers import event_headers
from sightwire.contracts import ingest_batches, subjects
from sightwire.contracts.events import IngestEvent
from sightwire.contracts.ingest_batches import BatchedEvent
from sightwire.telemetry.tracing import is_tracing, traceparent_of, tracer

_SOURCE: Final = "gateway"
_tracer = tracer(__name__)


@dataclass(frozen=True, slots=True)
class IngestMessage:
    """A message, and the positions of the events that it carries."""

    message: OutgoingMessage
    positions: range


def ingest_messages(collection: str, events: Sequence[IngestEvent], may_join: Sequence[bool]) -> list[IngestMessage]:
    """Messages with all events, in order.

    Args:
        collection: that they belong to.
        events: one of a request, or several of a batch: each of those begins a trace of its own, linked to the
            request's span.
        may_join: whether each may share a message; see `ingest_batches.needs_model`.
    """
    payloads = [event.model_dump_json(exclude_defaults=True).encode() for event in events]
    groups = ingest_batches.group_events(
        [event.id for event in events], [len(payload) for payload in payloads], may_join
    )
    own_traces = len(events) > 1
    messages = []
    for positions in groups:
        if len(positions) == 1:
            [position] = positions
            message = _message_of_one(collection, events[position], payloads[position], own_trace=own_traces)
        else:
            batch = [
                BatchedEvent(payloads[position], _traceparent(collection, events[position])) for position in positions
            ]
            message = _message_of_several(collection, batch)
        messages.append(IngestMessage(message, positions))
    return messages


def _message_of_one(collection: str, event: IngestEvent, payload: bytes, *, own_trace: bool) -> OutgoingMessage:
    with _publishing(collection, event, own_trace=own_trace):
        headers = event_headers(event_type=f"sightwire.item.{event.operation.value}", source=_SOURCE, subject=event.id)
    return OutgoingMessage(subjects.ingest(collection), payload, headers)


def _message_of_several(collection: str, batch: Sequence[BatchedEvent]) -> OutgoingMessage:
    headers = event_headers(
        event_type="sightwire.items.put",
        source=_SOURCE,
        subject=collection,
        content_type=ingest_batches.CONTENT_TYPE,
    )
    return OutgoingMessage(subjects.ingest(collection), ingest_batches.encode_batch(batch), headers)


def _traceparent(collection: str, event: IngestEvent) -> str:
    if not is_tracing():
        return ""
    with _publishing(collection, event, own_trace=True) as span:
        return traceparent_of(span)


def _publishing(collection: str, event: IngestEvent, *, own_trace: bool) -> AbstractContextManager[trace.Span]:
    subject = subjects.ingest(collection)
    request = trace.get_current_span()
    return _tracer.start_as_current_span(
        "publish ingest",
        context=Context() if own_trace else None,
        links=[trace.Link(request.get_span_context())] if own_trace else None,
        kind=SpanKind.PRODUCER,
        attributes={
            "messaging.system": "nats",
            "messaging.destination.name": subject,
            "sightwire.collection": collection,
            "sightwire.item.id": event.id,
        },
    )
