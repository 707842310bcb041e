"""What becomes of calls: when there are too many, when nobody waits for them, when the server stops, when they fail."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sightwire_searcher.first_loads import FirstLoads
from sightwire_searcher.grpc_server import SERVICE_NAME, SearchServer

from services.searcher.tests.conftest import RunningSearcher
from sightwire.errors import OverloadedError, UnavailableError, UnknownCollectionError
from sightwire.service.grpc_errors import answering_errors_in_thread, error_from_call
from sightwire.v1 import searcher_pb2 as pb
from sightwire.v1 import searcher_pb2_grpc
from tests.plugin.waiting import wait_until


class WaitingService(searcher_pb2_grpc.SearcherServicer):
    """Answers when it is let go, and remembers for whom; fails for a collection called `broken`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun: list[str] = []

    @answering_errors_in_thread
    def Search(self, request: pb.SearchRequest, _context: Any) -> pb.SearchResponse:
        self.begun.append(request.collection)
        if request.collection == "broken":
            raise ValueError("a secret")
        assert self.go.wait(10)
        return pb.SearchResponse(generation=request.collection)


class Serving:
    """A server of one thread, in front of which one call may wait; and a client."""

    def __init__(self, server: SearchServer, service: WaitingService, channel: grpc.aio.Channel) -> None:
        self.server = server
        self.service = service
        self.channel = channel
        self._stub: Any = searcher_pb2_grpc.SearcherStub(channel)

    def search(self, collection: str, *, timeout: float | None = None) -> Any:
        return self._stub.Search(pb.SearchRequest(collection=collection), timeout=timeout)

    async def search_that_runs(self, collection: str) -> Any:
        call = self.search(collection)
        await wait_until(lambda: collection in self.service.begun)
        return call


@asynccontextmanager
async def serving(drain_seconds: float = 10.0) -> AsyncIterator[Serving]:
    service = WaitingService()
    server = SearchServer(service, "127.0.0.1:0", threads=1, max_queued=1, drain_seconds=drain_seconds)
    async with server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield Serving(server, service, channel)
        service.go.set()


async def test_calls_that_too_many_wait_before_are_refused_as_overload() -> None:
    async with serving() as serves:
        running = await serves.search_that_runs("a")
        waiting = serves.search("b")
        await wait_until(lambda: serves.server.queued == 1)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await serves.search("c")
        assert isinstance(error_from_call(refused.value, service="searcher"), OverloadedError)
        serves.service.go.set()
        assert [(await call).generation for call in (running, waiting)] == ["a", "b"]
        assert (await serves.search("d")).generation == "d"


async def test_a_call_whose_caller_left_while_it_waited_is_passed_over() -> None:
    async with serving() as serves:
        running = await serves.search_that_runs("a")
        gone = serves.search("gone")
        await wait_until(lambda: serves.server.queued == 1)
        gone.cancel()
        # Connections deliver in order, so when the server has answered this one, it knows of the one before.
        with pytest.raises(grpc.aio.AioRpcError, match="limit exceeded"):
            await serves.search("c")
        serves.service.go.set()
        await running
        await serves.search("d")
        assert serves.service.begun == ["a", "d"]


async def test_a_server_that_stops_answers_what_is_in_flight_and_takes_nothing_new() -> None:
    async with serving() as serves:
        running = await serves.search_that_runs("a")
        stopping = asyncio.create_task(serves.server.__aexit__(None, None, None))
        async with asyncio.timeout(10):
            # A call may still have come in time; it is given up and sent again.
            while await serves.search("b", timeout=0.1).code() is not grpc.StatusCode.UNAVAILABLE:
                pass
        assert not stopping.done()
        serves.service.go.set()
        assert (await running).generation == "a"
        await stopping


async def test_what_is_in_flight_for_longer_than_the_drain_is_cut_off() -> None:
    async with serving(drain_seconds=0.1) as serves:
        running = await serves.search_that_runs("a")
        stopping = asyncio.create_task(serves.server.__aexit__(None, None, None))
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
            await running
        serves.service.go.set()
        await stopping


async def test_an_unexpected_error_is_not_told_to_the_caller() -> None:
    async with serving() as serves:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await serves.search("broken")
        assert failed.value.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in str(failed.value.details())


async def test_an_error_of_the_platform_arrives_as_itself(searcher: RunningSearcher) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await searcher.stub.Search(pb.SearchRequest(collection="nowhere", k=1))
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    error = error_from_call(failed.value, service="searcher")
    assert type(error) is UnknownCollectionError


async def test_health_is_told_by_service() -> None:
    async with serving() as serves:
        health: Any = health_pb2_grpc.HealthStub(serves.channel)
        for name in ("", SERVICE_NAME):
            request = health_pb2.HealthCheckRequest(service=name)
            assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING
            serves.server.set_serving(serving=True)
            assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
            serves.server.set_serving(serving=False)


async def test_only_so_many_threads_wait_long_for_a_load() -> None:
    """One collection that takes long to load does not occupy the threads that answer for the others."""
    begun: list[str] = []
    go = asyncio.Event()

    async def load(name: str) -> None:
        begun.append(name)
        await go.wait()

    loads = FirstLoads(load, patient_threads=1)
    patient = asyncio.create_task(asyncio.to_thread(loads.snapshot, "slow"))
    await wait_until(lambda: begun)
    with pytest.raises(UnavailableError, match="'slow' cannot be loaded at the moment"):
        await asyncio.to_thread(loads.snapshot, "slow")
    assert not patient.done()
    go.set()
    with pytest.raises(UnavailableError):
        await patient
