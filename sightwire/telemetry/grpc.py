"""Trace context across gRPC calls, by OpenTelemetry's own interceptors; none are installed when tracing is off."""

from typing import Any

import grpc
import grpc.aio
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import aio_client_interceptors, aio_server_interceptor, server_interceptor
from opentelemetry.sdk.trace import TracerProvider


def client_interceptors() -> list[grpc.aio.ClientInterceptor]:
    """Interceptors for `grpc.aio.insecure_channel`. Call after `configure_tracing`."""
    if not _tracing_is_on():
        return []
    interceptors: list[grpc.aio.ClientInterceptor] = aio_client_interceptors()  # type: ignore[no-untyped-call]
    return interceptors


def server_interceptors() -> "list[grpc.aio.ServerInterceptor[Any, Any]]":
    """Interceptors for `grpc.aio.server`. Call after `configure_tracing`."""
    if not _tracing_is_on():
        return []
    return [aio_server_interceptor()]  # type: ignore[no-untyped-call]


def thread_server_interceptors() -> "list[grpc.ServerInterceptor[Any, Any]]":
    """Interceptors for `grpc.server`. Call after `configure_tracing`."""
    if not _tracing_is_on():
        return []
    return [server_interceptor()]  # type: ignore[no-untyped-call]


def _tracing_is_on() -> bool:
    return isinstance(trace.get_tracer_provider(), TracerProvider)
