"""Weaviate in a process of its own, over gRPC, by the stubs of its client; the client's own Python is not measured."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
from weaviate.proto.v1 import base_pb2, base_search_pb2, batch_pb2, search_get_pb2, weaviate_pb2_grpc

from bench.http_connection import connected
from bench.search.clients import Call, GrpcClients
from bench.search.memory import resident_bytes
from bench.search.peers.installing import WEAVIATE
from bench.search.peers.server_process import server_process
from bench.search.task import BUCKETS, EF_CONSTRUCTION, K, M, Matrix, Rows, Task
from sightwire.platform.ports import find_free_port

_COLLECTION: Final = "Compared"
_BUCKET: Final = "bucket"
_BATCH: Final = 1_000
_BATCHES_IN_FLIGHT: Final = 4
_LARGEST_MESSAGE: Final = 64 * 1024 * 1024


class Weaviate:
    """One collection; queries ask for ids and distances, no properties."""

    build_seconds = 0.0

    def __init__(self, task: Task, url: str, address: str, channel: grpc.aio.Channel, process_id: int) -> None:
        self._queries = task.queries
        self._size = 0
        self._url = url
        self._address = address
        self._stub: Any = weaviate_pb2_grpc.WeaviateStub(channel)
        self._process_id = process_id

    async def build(self, task: Task) -> None:
        """Creates the collection and fills it; its graph grows with each batch."""
        started = time.perf_counter()
        collection = {
            "class": _COLLECTION,
            "vectorizer": "none",
            "vectorIndexType": "hnsw",
            "vectorIndexConfig": {"distance": "dot", "maxConnections": M, "efConstruction": EF_CONSTRUCTION},
            "properties": [{"name": _BUCKET, "dataType": ["int"], "indexFilterable": True, "indexRangeFilters": True}],
        }
        await self._request("POST", "/v1/schema", json.dumps(collection).encode())
        await self.insert(task.vectors, task.buckets)
        self.build_seconds = time.perf_counter() - started

    async def asking(self, *, effort: int, percent: int) -> GrpcClients:
        await self._set_effort(effort)
        smaller = base_pb2.Filters(
            operator=base_pb2.Filters.OPERATOR_LESS_THAN,
            target=base_pb2.FilterTarget(property=_BUCKET),
            value_int=percent,
        )
        requests = [
            search_get_pb2.SearchRequest(
                collection=_COLLECTION,
                limit=K,
                near_vector=base_search_pb2.NearVector(vector_bytes=query.tobytes()),
                filters=None if percent >= BUCKETS else smaller,
                metadata=search_get_pb2.MetadataRequest(uuid=True, distance=True),
                properties=search_get_pb2.PropertiesRequest(),
                uses_123_api=True,
                uses_125_api=True,
                uses_127_api=True,
            )
            for query in self._queries
        ]

        def connect(channel: grpc.Channel) -> Call:
            search: Any = weaviate_pb2_grpc.WeaviateStub(channel).Search

            def call(number: int) -> Sequence[int]:
                reply = search(requests[number])
                return [int.from_bytes(result.metadata.id_as_bytes, "big") for result in reply.results]

            return call

        return GrpcClients([self._address], connect)

    async def insert(self, vectors: Matrix, buckets: Rows) -> None:
        places = asyncio.Semaphore(_BATCHES_IN_FLIGHT)

        async def send(start: int) -> None:
            async with places:
                part = zip(vectors[start : start + _BATCH], buckets[start : start + _BATCH].tolist(), strict=True)
                objects = [_object(first + start + number, *row) for number, row in enumerate(part)]
                reply = await self._stub.BatchObjects(batch_pb2.BatchObjectsRequest(objects=objects))
            if reply.errors:
                raise RuntimeError(f"Weaviate refused an item: {reply.errors[0].error}")

        first = self._size
        await asyncio.gather(*map(send, range(0, len(vectors), _BATCH)))
        self._size += len(vectors)

    def resident_bytes(self) -> int:
        return resident_bytes(self._process_id)

    async def _set_effort(self, effort: int) -> None:
        path = f"/v1/schema/{_COLLECTION}"
        collection = json.loads(await self._request("GET", path))
        collection["vectorIndexConfig"]["ef"] = effort
        await self._request("PUT", path, json.dumps(collection).encode())

    async def _request(self, method: str, path: str, body: bytes = b"") -> bytes:
        # A connection of its own: the server closes one that is idle while queries run.
        async with connected(self._url) as http:
            return await http.request(method, path, body)


@asynccontextmanager
async def weaviate_server(task: Task, folder: Path) -> AsyncIterator[Weaviate]:
    """A single node with default settings, and a collection that is built."""
    port, grpc_port = find_free_port(), find_free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "CLUSTER_HOSTNAME": "bench",
        "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
        "CLUSTER_GOSSIP_BIND_PORT": str(find_free_port()),
        "CLUSTER_DATA_BIND_PORT": str(find_free_port()),
        "RAFT_PORT": str(find_free_port()),
        "RAFT_INTERNAL_RPC_PORT": str(find_free_port()),
        "RAFT_BOOTSTRAP_EXPECT": "1",
        "PERSISTENCE_DATA_PATH": str(folder / "data"),
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
        "GRPC_PORT": str(grpc_port),
        "PROMETHEUS_MONITORING_ENABLED": "false",
        "GO_PROFILING_DISABLE": "true",
        "DISABLE_TELEMETRY": "true",
        "LOG_LEVEL": "warning",
    }
    program = WEAVIATE.installed() / "weaviate-server"
    command = [str(program), "--host", "127.0.0.1", "--port", str(port), "--scheme", "http"]
    options = [
        ("grpc.max_send_message_length", _LARGEST_MESSAGE),
        ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
    ]
    async with (
        server_process(
            command, is_ready=lambda: _answers(url), log=folder / "log", environment=environment
        ) as process_id,
        grpc.aio.insecure_channel(address := f"127.0.0.1:{grpc_port}", options=options) as channel,
    ):
        engine = Weaviate(task, url, address, channel, process_id)
        await engine.build(task)
        yield engine


async def _answers(url: str) -> bool:
    try:
        async with connected(url) as connection:
            await connection.request("GET", "/v1/.well-known/ready")
    except (OSError, RuntimeError, asyncio.IncompleteReadError):
        return False
    return True


def _object(number: int, vector: Matrix, bucket: int) -> Any:
    properties = batch_pb2.BatchObject.Properties()
    properties.non_ref_properties.update({_BUCKET: bucket})
    return batch_pb2.BatchObject(
        uuid=str(uuid.UUID(int=number)),
        collection=_COLLECTION,
        properties=properties,
        vector_bytes=vector.tobytes(),
    )
