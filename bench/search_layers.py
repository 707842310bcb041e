"""What each layer adds to a search: FAISS in this process, the searcher over gRPC, the gateway over REST.

All three answer from the same files. The layers take turns, some queries each, so that whatever else the machine does
meets all of them alike.
"""

import asyncio
import base64
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

import faiss
import grpc.aio
import orjson
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.command import Benchmark, main
from bench.http_connection import HttpConnection, connected
from bench.report import Percentiles, Table
from bench.running import bus_of, platform_without_demo, searcher_of, wait_until_loaded
from bench.written_index import FIELD, WrittenIndex, clustered_vectors, write_index
from sightwire.segments.vectors import Matrix
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

DIMENSION = 384
K = 10
_COLLECTION = "layers"
_CLUSTERS = 200
_CONCURRENCY = (1, 4, 16)
#: Queries that a layer answers before it is the next one's turn.
_TURN = 25

FAISS = "FAISS, in-process"
GRPC = "searcher, gRPC"
REST = "gateway, REST"
GRPC_FLOOR = "gRPC call that does nothing (health)"
REST_FLOOR = "HTTP request that does nothing (/livez)"

#: Sends query number n through a layer.
Ask = Callable[[int], Awaitable[object]]


class Layers:
    """The ways to ask the same question."""

    def __init__(self, index: WrittenIndex, queries: Matrix, channel: grpc.aio.Channel, http: HttpConnection) -> None:
        self.queries = len(queries)
        self._index = index
        self._graph = index.plain_graph()
        self._vectors = queries
        self._stub = searcher_pb2_grpc.SearcherStub(channel)
        self._health = health_pb2_grpc.HealthStub(channel)
        self._http = http
        self._parameters = faiss.SearchParametersHNSW(efSearch=index.record.spec.index.ef_search)
        self._requests = [
            searcher_pb2.SearchRequest(
                collection=index.record.name,
                queries=[searcher_pb2.FieldQuery(field=FIELD, vector=query.tobytes())],
                k=K,
            )
            for query in queries
        ]
        self._bodies = [
            orjson.dumps(
                {"query": {"vector": {"field": FIELD, "values": base64.b64encode(query.tobytes()).decode()}}, "k": K}
            )
            for query in queries
        ]

    def all(self) -> dict[str, Ask]:
        """Each layer, and what its transport alone costs."""
        return {
            FAISS: self.ask_faiss,
            GRPC: self.ask_searcher,
            REST: self.ask_gateway,
            GRPC_FLOOR: self._check_health,
            REST_FLOOR: self._get_livez,
        }

    async def ask_faiss(self, number: int) -> list[str]:
        query = self._vectors[number : number + 1]
        _, rows = self._graph.index.search(query, K, params=self._parameters)
        return [str(row) for row in rows[0]]

    async def ask_searcher(self, number: int) -> list[str]:
        response = await self._stub.Search(self._requests[number])
        return [hit.item_id for hit in response.hits]

    async def ask_gateway(self, number: int) -> list[str]:
        path = f"/v1/collections/{self._index.record.name}/search"
        answer = orjson.loads(await self._http.request("POST", path, self._bodies[number]))
        return [hit["id"] for hit in answer["hits"]]

    async def check_agreement(self) -> None:
        """Raises AssertionError unless all layers find the same."""
        for number in range(min(20, self.queries)):
            rows = [int(row) for row in await self.ask_faiss(number)]
            expected = set(self._index.segment.ids(rows))
            for ask in (self.ask_searcher, self.ask_gateway):
                found = set(await ask(number))
                assert found == expected, f"query {number}: expected {expected}, got {found}"

    async def _check_health(self, _number: int) -> object:
        return await self._health.Check(health_pb2.HealthCheckRequest())

    async def _get_livez(self, _number: int) -> object:
        return await self._http.request("GET", "/livez")


async def measure(quick: bool) -> list[Table]:
    """Latency of each layer, and queries a second of the searcher."""
    vectors, queries, rounds = (5_000, 100, 1) if quick else (100_000, 1_000, 3)
    faiss.omp_set_num_threads(1)
    async with platform_without_demo() as platform, bus_of(platform) as bus:
        written = clustered_vectors(vectors, DIMENSION, clusters=_CLUSTERS, seed=1)
        index = await write_index(platform, bus, _COLLECTION, written)
        asked = clustered_vectors(queries, DIMENSION, clusters=_CLUSTERS, seed=2)
        address = searcher_of(platform).address
        async with grpc.aio.insecure_channel(address) as channel, connected(platform.gateway_url) as http:
            layers = Layers(index, asked, channel, http)
            await wait_until_loaded(searcher_pb2_grpc.SearcherStub(channel), _COLLECTION, vectors)
            await layers.check_agreement()
            durations = await _latencies(layers, queries, rounds)
            rates = [await _rate(layers, count, queries * rounds) for count in _CONCURRENCY]
    title = f"{vectors:,} vectors of {DIMENSION}, k = {K}, HNSW, one query at a time"
    return [_latency_table(title, durations), _rate_table(durations[FAISS], rates)]


async def _latencies(layers: Layers, queries: int, rounds: int) -> dict[str, list[float]]:
    durations: dict[str, list[float]] = defaultdict(list)
    # Round 0 warms everything up and is not counted.
    for current in range(rounds + 1):
        for first in range(0, queries, _TURN):
            for name, ask in layers.all().items():
                for number in range(first, min(first + _TURN, queries)):
                    started = time.perf_counter()
                    await ask(number)
                    if current:
                        durations[name].append(time.perf_counter() - started)
    return durations


async def _rate(layers: Layers, clients: int, queries: int) -> tuple[int, float, Percentiles]:
    """Queries a second through gRPC with so many clients that each wait for their answer."""
    numbers = iter(range(queries))
    durations: list[float] = []

    async def client() -> None:
        for number in numbers:
            started = time.perf_counter()
            await layers.ask_searcher(number % layers.queries)
            durations.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return clients, queries / (time.perf_counter() - started), Percentiles.of(durations)


def _latency_table(title: str, durations: dict[str, list[float]]) -> Table:
    baseline = Percentiles.of(durations[FAISS])
    rows: list[list[str | float]] = []
    for name, seconds in durations.items():
        layer = Percentiles.of(seconds)
        added = [1e3 * (layer.p50 - baseline.p50), 1e3 * (layer.p99 - baseline.p99)]
        rows.append([name, *layer.milliseconds(), *added, layer.p50 / baseline.p50])
    return Table(
        title=title,
        columns=("layer", "p50 ms", "p90 ms", "p99 ms", "added at p50", "added at p99", "times FAISS at p50"),
        rows=rows,
        note=(
            "Aim at p50: under 1 ms added by gRPC, under 2.5 ms by REST. Each figure includes the time of the client, "
            "which runs in Python on the same cores; the last two rows show what of it is transport alone."
        ),
    )


def _rate_table(faiss_durations: list[float], rates: list[tuple[int, float, Percentiles]]) -> Table:
    one_thread = len(faiss_durations) / sum(faiss_durations)
    return Table(
        title="Queries a second through gRPC",
        columns=("clients", "queries/s", "p50 ms", "p99 ms", "ratio to FAISS in one thread"),
        rows=[
            (clients, rate, layer.milliseconds()[0], layer.milliseconds()[2], rate / one_thread)
            for clients, rate, layer in rates
        ],
        note="The clients share one process and its core with each other, and the machine with the searcher.",
    )


BENCHMARK = Benchmark("search_layers", measure)

if __name__ == "__main__":
    main(BENCHMARK)
