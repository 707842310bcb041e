"""A receiver of traces: a gRPC server that speaks OTLP, and what a test wants to ask of the spans it got."""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc.aio
import pytest_asyncio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it arrived; ids in hexadecimal."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[str, ...]
    attributes: dict[str, object] = field(default_factory=dict)


class TraceReceiver(TraceServiceServicer):
    """Keeps every span that is exported to `endpoint`."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.spans: list[ReceivedSpan] = []

    async def Export(self, request: ExportTraceServiceRequest, _context: object) -> ExportTraceServiceResponse:
        for resource_spans in request.resource_spans:
            attributes = {item.key: item.value.string_value for item in resource_spans.resource.attributes}
            service = attributes.get("service.name", "").removeprefix("sightwire-")
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    self.spans.append(
                        ReceivedSpan(
                            service=service,
                            name=span.name,
                            trace_id=span.trace_id.hex(),
                            span_id=span.span_id.hex(),
                            parent_id=span.parent_span_id.hex(),
                            links=tuple(link.span_id.hex() for link in span.links),
                            attributes={
                                item.key: getattr(item.value, item.value.WhichOneof("value") or "string_value")
                                for item in span.attributes
                            },
                        )
                    )
        return ExportTraceServiceResponse()

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def edges(self, trace_id: str) -> set[tuple[str, str]]:
        """Which service's span is the parent of which other service's, in one trace."""
        spans = {span.span_id: span for span in self.trace(trace_id)}
        return {
            (spans[span.parent_id].service, span.service)
            for span in spans.values()
            if span.parent_id in spans and spans[span.parent_id].service != span.service
        }

    def services(self, trace_id: str) -> dict[str, list[str]]:
        """Names of the spans of each service in one trace."""
        names: dict[str, list[str]] = defaultdict(list)
        for span in self.trace(trace_id):
            names[span.service].append(span.name)
        return dict(names)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def trace_receiver() -> AsyncIterator[TraceReceiver]:
    """A receiver on a free port of the loopback interface."""
    receiver = TraceReceiver()
    server = grpc.aio.server()
    add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    receiver.endpoint = f"http://127.0.0.1:{port}"
    yield receiver
    await server.stop(grace=1)
