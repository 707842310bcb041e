"""The types of index beside each other: what of the vectors has to be in memory, at what recall, how quickly.

`python -m bench.search.index_types`. The corpus is WordNet's; each type is searched with the smallest effort that
reaches recall@10 of 0.95.
"""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import grpc.aio
import numpy as np

from bench.command import Benchmark, main
from bench.report import Cell, Table
from bench.running import bus_of, platform_without_demo, searcher_of, wait_until_loaded
from bench.search.clients import CoroutineClients
from bench.search.measuring import EFFORTS, RECALL, smallest_effort
from bench.search.memory import resident_bytes
from bench.search.task import K, Matrix, Rows, nearest_rows, recall
from bench.wordnet import read_corpus, read_questions
from bench.written_index import FIELD, clustered_vectors, write_index
from sightwire.contracts.collections import IndexParameters, IndexType
from sightwire.platform.running_platform import RunningPlatform
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

_COLLECTION: Final = "typed"
_TYPES: Final = (IndexType.FLAT, IndexType.HNSW, IndexType.HNSW_SQ, IndexType.IVF_PQ)
#: Those that differ most; each starts a platform.
_QUICK_TYPES: Final = (IndexType.FLAT, IndexType.IVF_PQ)
_MEBIBYTE: Final = 1 << 20


async def measure(quick: bool) -> list[Table]:
    """One table, a row for each type."""
    vectors, queries = _clustered() if quick else _wordnet()
    truth = nearest_rows(vectors, queries)
    seconds = 0.5 if quick else 5.0
    return [
        Table(
            f"{len(vectors):,} vectors of {vectors.shape[1]}, recall@{K} of at least {RECALL}",
            (
                *("type", "effort", "recall", "queries/s", "p99 ms", "built in s"),
                *("must be in memory, of the vectors' bytes", "process grew by MiB, of the vectors' bytes"),
            ),
            [await _row(kind, vectors, queries, truth, seconds) for kind in (_QUICK_TYPES if quick else _TYPES)],
            note="What must be in memory is what `sightwire index stats` says: all that a search walks through. The "
            "process grows by every page of its files that was touched, the items' ids and metadata, and the whole "
            "vectors that candidates are compared again with.",
        )
    ]


def _wordnet() -> tuple[Matrix, Matrix]:
    corpus = read_corpus()
    return corpus.vectors, read_questions(corpus.synsets, 1_000).vectors


def _clustered() -> tuple[Matrix, Matrix]:
    return clustered_vectors(6_000, 64, clusters=50, seed=1), clustered_vectors(50, 64, clusters=50, seed=2)


async def _row(kind: IndexType, vectors: Matrix, queries: Matrix, truth: Rows, seconds: float) -> list[Cell]:
    async with AsyncExitStack() as resources:
        platform = await resources.enter_async_context(platform_without_demo())
        empty = resident_bytes(searcher_of(platform).process_id)
        built = await _write(platform, kind, vectors)
        channel = await resources.enter_async_context(grpc.aio.insecure_channel(searcher_of(platform).address))
        stub = searcher_pb2_grpc.SearcherStub(channel)
        await wait_until_loaded(stub, _COLLECTION, len(vectors))

        async def recall_of(effort: int) -> float:
            found = await _asking(stub, queries, effort).answers(range(len(queries)))
            return recall(found, truth)

        # Exact search has no effort: the first one suffices.
        effort, reached = await smallest_effort(EFFORTS, recall_of)
        rate = await _asking(stub, queries, effort).loop(1, queries=len(queries), seconds=seconds)
        description = await stub.DescribeCollection(searcher_pb2.DescribeCollectionRequest(collection=_COLLECTION))
        (field,) = (field for field in description.fields if field.field == FIELD)
        grown = resident_bytes(searcher_of(platform).process_id) - empty
    return [
        kind.value,
        effort,
        f"{reached:.3f}",
        rate.queries_per_second,
        rate.latency.milliseconds()[-1],
        built,
        f"{field.resident_bytes_per_vector / field.raw_bytes_per_vector:.2f}",
        f"{grown // _MEBIBYTE}, {grown / vectors.nbytes:.2f}",
    ]


async def _write(platform: RunningPlatform, kind: IndexType, vectors: Matrix) -> float:
    """Writes the index of a new collection and gives the seconds that it took."""
    async with bus_of(platform) as bus:
        started = time.perf_counter()
        await write_index(platform, bus, _COLLECTION, vectors, index=IndexParameters(type=kind))
        return time.perf_counter() - started


def _asking(stub: "searcher_pb2_grpc.SearcherAsyncStub", queries: Matrix, effort: int) -> CoroutineClients:
    requests = [
        searcher_pb2.SearchRequest(
            collection=_COLLECTION,
            queries=[searcher_pb2.FieldQuery(field=FIELD, vector=np.ascontiguousarray(query).tobytes())],
            k=K,
            ef_search=effort,
            omit_documents=True,
        )
        for query in queries
    ]

    async def ask(number: int) -> Sequence[int]:
        response = await stub.Search(requests[number])
        return [int(hit.item_id) for hit in response.hits]

    return CoroutineClients(ask)


BENCHMARK = Benchmark("search.index_types", measure)

if __name__ == "__main__":
    main(BENCHMARK)
