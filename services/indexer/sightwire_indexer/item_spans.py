"""Spans of the items in a commit: each item's own trace goes through the batch, and the batch links to all of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry import trace

from sightwire.telemetry.tracing import context_from, links_to, traceparent_of, tracer

_tracer = tracer(__name__)

#: OpenTelemetry keeps no more links of a span by default.
_MAX_LINKS = 128
#: Traces that a reload joins; the contract of `index.ready` allows no more.
_MAX_TRACEPARENTS = 1000


@dataclass(frozen=True, slots=True)
class ItemSpan:
    """A sampled item on its way into a commit. `position` is that of its change in the message."""

    item_id: str
    traceparent: str
    read_at: int


def sampled_items(ids: Sequence[str], traceparents: Sequence[str]) -> list[ItemSpan]:
    """Items of a message whose trace is recorded; nothing is made for the others."""
    if not any(traceparents):
        return []
    now = time.time_ns()
    return [
        ItemSpan(item_id, traceparent, now)
        for item_id, traceparent in zip(ids, traceparents, strict=True)
        if traceparent
    ]


class CommitTrace:
    """The spans of one commit; use as a context manager around it."""

    def __init__(self, collection: str, items: Sequence[ItemSpan]) -> None:
        self._collection = collection
        self._items = items
        self._spans: list[trace.Span] = []
        self._commit_span: trace.Span = trace.INVALID_SPAN

    def __enter__(self) -> "CommitTrace":
        if not self._items:
            return self
        self._spans = [
            _tracer.start_span(
                "index item",
                context=context_from(item.traceparent),
                start_time=item.read_at,
                attributes={"sightwire.collection": self._collection, "sightwire.item": item.item_id},
            )
            for item in self._items
        ]
        self._commit_span = _tracer.start_span(
            "commit",
            # A span that belongs to no single item's trace: a root of its own, with links.
            context=trace.set_span_in_context(trace.INVALID_SPAN),
            links=links_to(self.traceparents[:_MAX_LINKS]),
            attributes={"sightwire.collection": self._collection, "sightwire.items": len(self._items)},
        )
        return self

    def __exit__(self, error_type: type[BaseException] | None, error: BaseException | None, _tb: object) -> None:
        for span in (*self._spans, self._commit_span):
            if error is not None:
                span.set_status(trace.StatusCode.ERROR, repr(error))
            span.end()

    def committed(self, manifest_version: int) -> None:
        """Notes in every span which manifest holds the items."""
        for span in (*self._spans, self._commit_span):
            span.set_attribute("sightwire.manifest_version", manifest_version)

    @property
    def traceparents(self) -> tuple[str, ...]:
        """Trace contexts for the reload that makes the items visible."""
        return tuple(filter(None, map(traceparent_of, self._spans[:_MAX_TRACEPARENTS])))
