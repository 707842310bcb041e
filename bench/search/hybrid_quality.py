"""Whether hybrid search finds more than its parts: WordNet's usage examples ask for the meaning that they illustrate.

`python -m bench.search.hybrid_quality`. Indexed are the words and the definition of each synset, as text and as a
vector; asked is an example sentence, of which exactly one synset is the right answer. A word of the synset usually
occurs in the sentence, but so it does in other synsets; the sentence is near its meaning, but so are related ones.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc.aio
import numpy as np

from bench.command import Benchmark, main
from bench.report import Table
from bench.running import bus_of, platform_without_demo, searcher_of, wait_until_loaded
from bench.wordnet import Corpus, Questions, read_corpus, read_questions
from bench.written_index import FIELD, write_index
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

_COLLECTION: Final = "meanings"
_DEPTH: Final = 10
_IN_FLIGHT: Final = 4

#: Makes the request of question number n.
MakeRequest = Callable[[int], searcher_pb2.SearchRequest]


async def measure(quick: bool) -> list[Table]:
    """nDCG@10, recall@1 and recall@10 of each way to search."""
    corpus = read_corpus()
    if quick:
        corpus = Corpus(corpus.synsets[::20], corpus.vectors[::20])
    questions = read_questions(corpus.synsets, 200 if quick else 2_000)
    async with platform_without_demo() as platform, bus_of(platform) as bus:
        await write_index(platform, bus, _COLLECTION, corpus.vectors, texts=[synset.text for synset in corpus.synsets])
        async with grpc.aio.insecure_channel(searcher_of(platform).address) as channel:
            stub = searcher_pb2_grpc.SearcherStub(channel)
            await wait_until_loaded(stub, _COLLECTION, len(corpus.synsets))
            numbers = {synset.id: number for number, synset in enumerate(corpus.synsets)}
            expected = [numbers[answer] for answer in questions.answers]
            rows = [
                (name, *_quality(await _found(stub, make, len(expected)), expected))
                for name, make in _ways(questions).items()
            ]
    return [
        Table(
            title=f"{len(expected):,} example sentences, {len(corpus.synsets):,} synsets, one right answer each",
            columns=("search", "nDCG@10", "recall@1", "recall@10"),
            rows=rows,
        )
    ]


def _ways(questions: Questions) -> dict[str, MakeRequest]:
    def request(
        number: int, *, vector: bool, words: bool, fusion: searcher_pb2.Fusion.ValueType
    ) -> searcher_pb2.SearchRequest:
        wanted = searcher_pb2.SearchRequest(collection=_COLLECTION, k=_DEPTH, omit_documents=True, fusion=fusion)
        if vector:
            wanted.queries.add(field=FIELD, vector=np.ascontiguousarray(questions.vectors[number]).tobytes())
        if words:
            wanted.text.text = _plain_words(questions.texts[number])
        return wanted

    rrf, weighted = searcher_pb2.FUSION_RECIPROCAL_RANK, searcher_pb2.FUSION_WEIGHTED_NORMALIZED
    return {
        "words (BM25)": lambda number: request(number, vector=False, words=True, fusion=rrf),
        "vectors": lambda number: request(number, vector=True, words=False, fusion=rrf),
        "hybrid, reciprocal rank": lambda number: request(number, vector=True, words=True, fusion=rrf),
        "hybrid, weighted scores": lambda number: request(number, vector=True, words=True, fusion=weighted),
    }


def _plain_words(sentence: str) -> str:
    """The sentence without what the query language would read as operators."""
    return " ".join("".join(character if character.isalnum() else " " for character in sentence).split())


async def _found(stub: Any, make: MakeRequest, count: int) -> list[list[int]]:
    gate = asyncio.Semaphore(_IN_FLIGHT)

    async def ask(number: int) -> list[int]:
        async with gate:
            response = await stub.Search(make(number))
            return [int(hit.item_id) for hit in response.hits]

    return list(await asyncio.gather(*map(ask, range(count))))


def _quality(found: Sequence[Sequence[int]], expected: Sequence[int]) -> tuple[float, float, float]:
    """nDCG@10, recall@1, recall@10; with one right answer, the ideal gain is 1."""
    ranks = [rows.index(answer) + 1 if answer in rows else None for rows, answer in zip(found, expected, strict=True)]
    gain = sum(1 / math.log2(1 + rank) for rank in ranks if rank is not None)
    first, any_rank = sum(rank == 1 for rank in ranks), sum(rank is not None for rank in ranks)
    return gain / len(ranks), first / len(ranks), any_rank / len(ranks)


BENCHMARK = Benchmark("search.hybrid_quality", measure)

if __name__ == "__main__":
    main(BENCHMARK)
