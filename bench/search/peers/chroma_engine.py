"""Chroma in this process, on disk: `chromadb.PersistentClient`, whose engine is Rust over hnswlib."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import chromadb
import numpy as np

from bench.search.clients import ThreadClients
from bench.search.memory import own_resident_bytes
from bench.search.task import BUCKETS, EF_CONSTRUCTION, K, M, Matrix, Rows, Task

_REPOSITORY: Final = Path(__file__).parents[3]
_BATCH: Final = 5_000
_NAME: Final = "compared"
_BUCKET: Final = "bucket"


class Chroma:
    """One collection; queries ask for ids and distances."""

    def __init__(self, task: Task, folder: Path) -> None:
        self._queries = task.queries
        self._size = 0
        graph = {"space": "ip", "max_neighbors": M, "ef_construction": EF_CONSTRUCTION}
        self._folder = folder
        self._client = _open(self._folder)
        self._collection: Any = self._client.create_collection(_NAME, configuration={"hnsw": graph})
        started = time.perf_counter()
        self._add(task.vectors, task.buckets)
        self.build_seconds = time.perf_counter() - started

    async def asking(self, *, effort: int, percent: int) -> ThreadClients:
        self._collection.modify(configuration={"hnsw": {"ef_search": effort}})
        # An index that is loaded keeps the effort that it was loaded with.
        self._client.close()
        self._client = _open(self._folder)
        self._collection = self._client.get_collection(_NAME)
        where = None if percent >= BUCKETS else {_BUCKET: {"$lt": percent}}

        def call(number: int) -> Sequence[int]:
            found = self._collection.query(
                query_embeddings=self._queries[number : number + 1], n_results=K, where=where, include=["distances"]
            )
            return [int(row) for row in found["ids"][0]]

        return ThreadClients(call)

    async def insert(self, vectors: Matrix, buckets: Rows) -> None:
        self._add(vectors, buckets)

    def resident_bytes(self) -> int:
        """Of a new process that opens the collection and answers the queries.

        In this one, the collection was opened for each effort, and what was open before is never quite given back.
        """
        queries = self._folder / "queries.npy"
        np.save(queries, self._queries)
        command = [sys.executable, "-m", "bench.search.peers.chroma_engine", str(self._folder), str(queries)]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=_REPOSITORY)
        return int(answer.stdout)

    def _add(self, vectors: Matrix, buckets: Rows) -> None:
        for start in range(0, len(vectors), _BATCH):
            part = vectors[start : start + _BATCH]
            self._collection.add(
                ids=[str(self._size + number) for number in range(len(part))],
                embeddings=part,
                metadatas=[{_BUCKET: bucket} for bucket in buckets[start : start + _BATCH].tolist()],
            )
            self._size += len(part)


@asynccontextmanager
async def chroma(task: Task, folder: Path) -> AsyncIterator[Chroma]:
    """Builds the collection in this process."""
    yield Chroma(task, folder)


def _open(folder: Path) -> Any:
    return chromadb.PersistentClient(folder, settings=chromadb.Settings(anonymized_telemetry=False))


def _print_resident_bytes(folder: Path, queries: Path) -> None:
    collection = _open(folder).get_collection(_NAME)
    for query in np.load(queries):
        collection.query(query_embeddings=[query], n_results=K, include=["distances"])
    print(own_resident_bytes())


if __name__ == "__main__":
    _print_resident_bytes(Path(sys.argv[1]), Path(sys.argv[2]))
