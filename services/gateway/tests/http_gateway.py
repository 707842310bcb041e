"""A gateway with a real bus, and small gRPC services in place of embedder and searcher, which speak the contract.

The services here exist to make every answer, delay and failure that the real ones can give; whether the real ones find
anything is tested with the whole platform, in tests/e2e.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import grpc.aio
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from sightwire_gateway.app import make_app, make_server, open_gateway
from sightwire_gateway.gateway import Gateway
from sightwire_gateway.settings import GatewaySettings

from sightwire.errors import SightwireError
from sightwire.security.keys import KeyCheck
from sightwire.service.grpc_errors import answering_errors
from sightwire.service.operations import EmbeddedServer
from sightwire.service.reloading import Configuration
from sightwire.v1 import embedder_pb2, embedder_pb2_grpc, searcher_pb2, searcher_pb2_grpc

DIMENSION = 4
SPACE = "test-space-1"
VECTOR = bytes(4 * DIMENSION)


class SmallEmbedder(embedder_pb2_grpc.EmbedderServicer):
    """Answers with one vector in whichever space is named, or with `failure`."""

    def __init__(self) -> None:
        self.failure: SightwireError | None = None
        self.texts: list[str] = []
        #: Those that were named, in order.
        self.spaces: list[str] = []
        #: State of the server that runs its models; empty: none does.
        self.triton = ""

    @answering_errors
    async def EmbedTexts(self, request: Any, _context: Any) -> Any:
        self._fail()
        self.texts += request.texts
        self.spaces.append(request.space)
        return embedder_pb2.EmbedTextsResponse(vectors=_matrix(), space=request.space or SPACE, model_seconds=0.001)

    @answering_errors
    async def EmbedImages(self, request: Any, _context: Any) -> Any:
        self._fail()
        self.spaces.append(request.space)
        return embedder_pb2.EmbedImagesResponse(vectors=_matrix(), space=request.space or SPACE, model_seconds=0.001)

    @answering_errors
    async def DescribeModel(self, _request: Any, _context: Any) -> Any:
        self._fail()
        return embedder_pb2.DescribeModelResponse(
            name="test",
            version="1",
            space=SPACE,
            dimension=DIMENSION,
            metric="cosine",
            class_names=["person", "cat"],
            triton=self.triton,
        )

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


class SmallSearcher(searcher_pb2_grpc.SearcherServicer):
    """Answers with `hits`, or with `failure`; remembers what it was asked. Single indexes may answer otherwise."""

    def __init__(self) -> None:
        self.failure: SightwireError | None = None
        #: By the name of the index.
        self.hits_of: dict[str, list[searcher_pb2.Hit]] = {}
        self.failures_of: dict[str, SightwireError] = {}
        self.delays_of: dict[str, asyncio.Event] = {}
        self.hits: list[searcher_pb2.Hit] = []
        self.facets: list[searcher_pb2.Facet] = []
        self.more = False
        self.manifest_version = 7
        self.items: dict[str, bytes] = {}
        self.searches: list[searcher_pb2.SearchRequest] = []
        self.delay = asyncio.Event()
        self.delay.set()

    @answering_errors
    async def Search(self, request: Any, _context: Any) -> Any:
        self.searches.append(request)
        answer = self.manifest_version
        await self.delays_of.get(request.collection, self.delay).wait()
        self._fail(request.collection)
        return searcher_pb2.SearchResponse(
            hits=self.hits_of.get(request.collection, self.hits),
            facets=self.facets,
            manifest_version=request.manifest_version or answer,
            more=self.more,
            generation="g1",
        )

    @answering_errors
    async def GetItems(self, request: Any, _context: Any) -> Any:
        self._fail(request.collection)
        found = [
            searcher_pb2.StoredItem(item_id=item_id, version=1, document=self.items[item_id])
            for item_id in request.item_ids
            if item_id in self.items
        ]
        return searcher_pb2.GetItemsResponse(items=found, manifest_version=7)

    @answering_errors
    async def DescribeCollection(self, request: Any, _context: Any) -> Any:
        self._fail(request.collection)
        return searcher_pb2.DescribeCollectionResponse(collection=request.collection, items=3, manifest_version=7)

    def _fail(self, collection: str) -> None:
        failure = self.failures_of.get(collection, self.failure)
        if failure is not None:
            raise failure


def _matrix() -> embedder_pb2.Matrix:
    return embedder_pb2.Matrix(data=VECTOR, rows=1, dimension=DIMENSION)


@dataclass
class RunningGateway:
    """The gateway, its server, a client of it, and the services behind it."""

    gateway: Gateway
    server: EmbeddedServer
    serving: "asyncio.Task[None]"
    http: httpx.AsyncClient
    url: str
    port: int
    embedder: SmallEmbedder
    searcher: SmallSearcher
    health: HealthServicer
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def make_collection(self, name: str, **spec: Any) -> str:
        answer = await self.http.post("/v1/collections", json={"name": name, **spec})
        assert answer.status_code == 201, answer.text
        return name

    def stop(self) -> None:
        self.stopping.set()
        self.server.should_exit = True


@asynccontextmanager
async def run_gateway(
    settings: Callable[..., GatewaySettings],
    *,
    admin_key: str | None = None,
    named_keys: Mapping[str, str] = MappingProxyType({}),
    embedder: SmallEmbedder | None = None,
    **changes: Any,
) -> AsyncIterator[RunningGateway]:
    embedder, searcher, health = embedder or SmallEmbedder(), SmallSearcher(), HealthServicer()
    services = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    embedder_pb2_grpc.add_EmbedderServicer_to_server(embedder, services)
    searcher_pb2_grpc.add_SearcherServicer_to_server(searcher, services)
    health_pb2_grpc.add_HealthServicer_to_server(health, services)
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    address = f"127.0.0.1:{services.add_insecure_port('127.0.0.1:0')}"
    await services.start()
    stopping = asyncio.Event()
    chosen = settings(gateway_embedder_address=address, gateway_searcher_address=address, gateway_port=0, **changes)
    async with open_gateway(Configuration(chosen), stopping=stopping) as gateway:
        server = make_server(make_app(gateway, KeyCheck(admin_key, named_keys)), chosen)
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  the server has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as http:
            yield RunningGateway(gateway, server, serving, http, url, port, embedder, searcher, health, stopping)
        stopping.set()
        server.should_exit = True
        await serving
    await services.stop(0)
