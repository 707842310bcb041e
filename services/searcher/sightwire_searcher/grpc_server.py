"""The gRPC server with the service, health by service, and reflection.

Each call is answered by one thread from beginning to end (docs/decisions/0009-a-thread-answers-a-call.md).
"""

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

import faiss
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from sightwire.errors import ConfigurationError
from sightwire.telemetry.grpc import thread_server_interceptors
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

SERVICE_NAME: Final = searcher_pb2.DESCRIPTOR.services_by_name["Searcher"].full_name
# A filter may name ten thousand ids of 256 characters.
_MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024


class _CallThreads(ThreadPoolExecutor):
    """Threads for calls, which know how many calls wait for them."""

    def __init__(self, threads: int) -> None:
        # Calls run beside each other; FAISS's own threads, which each thread has anew, would only compete with them.
        super().__init__(threads, "call", initializer=functools.partial(faiss.omp_set_num_threads, 1))

    @property
    def queued(self) -> int:
        return self._work_queue.qsize()


class SearchServer:
    """Entering starts it, not serving yet by its health; leaving drains it.

    Args:
        threads: how many calls are answered at once.
        max_queued: how many more may wait; others are refused with RESOURCE_EXHAUSTED. gRPC itself passes over those
            whose caller has gone.
        drain_seconds: what calls in flight get when it stops.
    """

    def __init__(
        self,
        service: searcher_pb2_grpc.SearcherServicer,
        address: str,
        *,
        threads: int,
        max_queued: int,
        drain_seconds: float,
    ) -> None:
        self._drain_seconds = drain_seconds
        self._health = health.HealthServicer()
        self._threads = _CallThreads(threads)
        self._server = grpc.server(
            self._threads,
            interceptors=thread_server_interceptors(),
            options=[
                ("grpc.max_receive_message_length", _MAX_REQUEST_BYTES),
                ("grpc.max_send_message_length", -1),
            ],
            maximum_concurrent_rpcs=threads + max_queued,
        )
        searcher_pb2_grpc.add_SearcherServicer_to_server(service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigurationError(f"cannot listen for gRPC at {address}: {error}; choose another port") from error

    @property
    def queued(self) -> int:
        """Calls that wait for a thread."""
        return self._threads.queued

    async def __aenter__(self) -> Self:
        self.set_serving(serving=False)
        self._server.start()
        return self

    def set_serving(self, *, serving: bool) -> None:
        """Tells health checks whether queries should come."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", SERVICE_NAME):
            self._health.set(name, status)

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._health.enter_graceful_shutdown()
        # The event loop goes on meanwhile: a call in flight may wait for a load.
        await asyncio.to_thread(self._server.stop(self._drain_seconds).wait)
        await asyncio.to_thread(self._threads.shutdown)
