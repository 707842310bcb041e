"""OpenSearch in a process of its own, over HTTP, with k-NN by Lucene."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from bench.http_connection import HttpConnection, connected
from bench.search.clients import CoroutineClients
from bench.search.engine import FLOOD_CLIENTS
from bench.search.memory import resident_bytes
from bench.search.peers.installing import OPENSEARCH
from bench.search.peers.server_process import server_process
from bench.search.task import BUCKETS, EF_CONSTRUCTION, K, M, Matrix, Rows, Task
from sightwire.platform.ports import find_free_port

_INDEX: Final = "compared"
_BATCH: Final = 500
_BULKS_IN_FLIGHT: Final = 4
#: The distribution's default.
_HEAP: Final = "1g"
#: It refuses to run as root; this is `nobody`.
_UNPRIVILEGED: Final = 65534
#: As the distribution's own script starts it, without its agents.
_JAVA_OPTIONS: Final = (
    f"-Xms{_HEAP}",
    f"-Xmx{_HEAP}",
    "-XX:+UseG1GC",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
    "-Djna.nosys=true",
    "-XX:-OmitStackTraceInFastThrow",
    "-Dio.netty.noUnsafe=true",
    "-Dio.netty.noKeySetOptimization=true",
    "-Dio.netty.recycler.maxCapacityPerThread=0",
    "-Dio.netty.allocator.numDirectArenas=0",
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "-Dlog4j2.formatMsgNoLookups=true",
    "-Djava.security.manager=allow",
    "-Djava.locale.providers=SPI,COMPAT",
    "-Dopensearch.distribution.type=tar",
    "-Dopensearch.bundled_jdk=false",
)


class OpenSearch:
    """One index of one shard, merged into one segment; queries ask for ids and scores."""

    build_seconds = 0.0

    def __init__(self, task: Task, connections: Sequence[HttpConnection], process_id: int) -> None:
        self._queries = task.queries
        self._size = 0
        self._process_id = process_id
        self._connections: asyncio.Queue[HttpConnection] = asyncio.Queue()
        for connection in connections:
            self._connections.put_nowait(connection)

    async def build(self, task: Task) -> None:
        """Creates the index, fills it, and merges it."""
        graph = {"m": M, "ef_construction": EF_CONSTRUCTION}
        method = {"name": "hnsw", "engine": "lucene", "space_type": "innerproduct", "parameters": graph}
        vector = {"type": "knn_vector", "dimension": task.vectors.shape[1], "method": method}
        settings = {"knn": True, "number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": -1}
        # As its own guide advises: a search that fetches hits reads the stored source, and would read vectors in it.
        mappings = {
            "_source": {"excludes": ["vector"]},
            "properties": {"vector": vector, "bucket": {"type": "integer"}},
        }
        started = time.perf_counter()
        await self._call("PUT", f"/{_INDEX}", {"settings": {"index": settings}, "mappings": mappings})
        await self._bulk(task.vectors, task.buckets)
        await self._call("POST", f"/{_INDEX}/_forcemerge?max_num_segments=1")
        await self._call("POST", f"/{_INDEX}/_refresh")
        self.build_seconds = time.perf_counter() - started

    async def asking(self, *, effort: int, percent: int) -> CoroutineClients:
        selected = {} if percent >= BUCKETS else {"filter": {"range": {"bucket": {"lt": percent}}}}
        bodies = [
            _json(
                {
                    "size": K,
                    "_source": False,
                    "track_total_hits": False,
                    "query": {
                        "knn": {
                            "vector": {
                                "vector": query,
                                "k": K,
                                "method_parameters": {"ef_search": effort},
                                **selected,
                            }
                        }
                    },
                }
            )
            for query in self._queries.tolist()
        ]

        async def ask(number: int) -> Sequence[int]:
            answer = await self._request("POST", f"/{_INDEX}/_search", bodies[number])
            return [int(hit["_id"]) for hit in json.loads(answer)["hits"]["hits"]]

        return CoroutineClients(ask)

    async def insert(self, vectors: Matrix, buckets: Rows) -> None:
        await self._bulk(vectors, buckets)
        await self._call("POST", f"/{_INDEX}/_refresh")

    def resident_bytes(self) -> int:
        return resident_bytes(self._process_id)

    async def _bulk(self, vectors: Matrix, buckets: Rows) -> None:
        places = asyncio.Semaphore(_BULKS_IN_FLIGHT)

        async def send(start: int) -> None:
            async with places:
                part = vectors[start : start + _BATCH].tolist()
                lines: list[bytes] = []
                for number, (vector, bucket) in enumerate(
                    zip(part, buckets[start : start + _BATCH].tolist(), strict=True)
                ):
                    lines.append(_json({"index": {"_id": str(first + start + number)}}))
                    lines.append(_json({"vector": vector, "bucket": bucket}))
                answer = await self._request("POST", f"/{_INDEX}/_bulk", b"\n".join([*lines, b""]))
            if json.loads(answer)["errors"]:
                raise RuntimeError(f"OpenSearch refused items: {answer[:500]!r}")

        first = self._size
        await asyncio.gather(*map(send, range(0, len(vectors), _BATCH)))
        self._size += len(vectors)

    async def _call(self, method: str, path: str, body: Any = None) -> None:
        await self._request(method, path, b"" if body is None else _json(body))

    async def _request(self, method: str, path: str, body: bytes) -> bytes:
        connection = await self._connections.get()
        try:
            return await connection.request(method, path, body)
        finally:
            self._connections.put_nowait(connection)


@asynccontextmanager
async def opensearch_server(task: Task, folder: Path) -> AsyncIterator[OpenSearch]:
    """A node with a copy of the installed home, and an index that is built."""
    home = folder / "home"
    await asyncio.to_thread(shutil.copytree, OPENSEARCH.installed(), home)
    _let_nobody_write(home)
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    paths = [f"-Djava.io.tmpdir={home}/tmp", f"-Djna.tmpdir={home}/tmp"]
    homes = [f"-Dopensearch.path.home={home}", f"-Dopensearch.path.conf={home}/config"]
    ports = [f"-Ehttp.port={port}", f"-Etransport.port={find_free_port()}"]
    classes = ["-cp", f"{home}/lib/*", "org.opensearch.bootstrap.OpenSearch"]
    command = [*_as_nobody(), "java", *_JAVA_OPTIONS, *paths, *homes, *classes, *ports]
    async with (
        server_process(command, is_ready=lambda: _answers(url), log=folder / "log", environment={}) as process_id,
        AsyncExitStack() as stack,
    ):
        connections = [await stack.enter_async_context(connected(url)) for _ in range(FLOOD_CLIENTS)]
        engine = OpenSearch(task, connections, process_id)
        await engine.build(task)
        yield engine


async def _answers(url: str) -> bool:
    try:
        async with connected(url) as connection:
            await connection.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
    except (OSError, RuntimeError, asyncio.IncompleteReadError):
        return False
    return True


def _let_nobody_write(home: Path) -> None:
    if os.geteuid() != 0:
        return
    for folder in (home.parent, home, *home.rglob("*")):
        os.chown(folder, _UNPRIVILEGED, _UNPRIVILEGED)


def _as_nobody() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={_UNPRIVILEGED}", f"--regid={_UNPRIVILEGED}", "--clear-groups"]


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
