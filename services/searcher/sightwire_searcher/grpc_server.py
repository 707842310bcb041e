"""The gRPC server with the service, health by service, and reflection."""

from types import TracebackType
from typing import Final, Self

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from sightwire.errors import ConfigurationError
from sightwire.telemetry.grpc import server_interceptors
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc
from sightwire_searcher.grpc_service import SearcherService

SERVICE_NAME: Final = searcher_pb2.DESCRIPTOR.services_by_name["Searcher"].full_name
# A filter may name ten thousand ids of 256 characters.
_MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024


class SearchServer:
    """Entering starts it, not serving yet by its health; leaving drains it."""

    def __init__(self, service: SearcherService, address: str, *, drain_seconds: float) -> None:
        self._drain_seconds = drain_seconds
        self._health = HealthServicer()
        self._server = grpc.aio.server(
            interceptors=server_interceptors(),
            options=[
                ("grpc.max_receive_message_length", _MAX_REQUEST_BYTES),
                ("grpc.max_send_message_length", -1),
            ],
        )
        searcher_pb2_grpc.add_SearcherServicer_to_server(service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigurationError(f"cannot listen for gRPC at {address}: {error}; choose another port") from error

    async def __aenter__(self) -> Self:
        await self._server.start()
        await self.set_serving(serving=False)
        return self

    async def set_serving(self, *, serving: bool) -> None:
        """Tells health checks whether queries should come."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", SERVICE_NAME):
            await self._health.set(name, status)

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._drain_seconds)
