"""What an index and its shadow answer to the same queries."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from sightwire.contracts.collections import CollectionRecord
from sightwire.v1 import searcher_pb2
from sightwire_orchestrator.migrations.query_plans import similarity_search, text_search
from sightwire_orchestrator.migrations.searching import Searchers
from sightwire_orchestrator.tasks.embedder import EmbedderClient
from sightwire_orchestrator.tasks.errors import BadAnswerError

#: Few enough that people's queries do not wait for them.
_AT_ONCE: Final = 4
_TEXTS_AT_ONCE: Final = 64

Told = Callable[[int], None]


async def rankings_of_texts(
    searchers: Searchers, embedder: EmbedderClient, index: CollectionRecord, texts: Sequence[str], *, k: int, told: Told
) -> list[list[str]]:
    """Ids of the first `k` items for each text, best first; `told` how many are done.

    Raises:
        SightwireError: embedder or searchers do not answer.
    """
    rankings: list[list[str]] = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = texts[start : start + _TEXTS_AT_ONCE]
        vectors, space = await embedder.embed_texts(part, space=index.space)
        if space != index.space:
            raise BadAnswerError(f"the embedder answered with vectors of {space!r} instead of {index.space!r}")
        requests = [text_search(index, vector.astype("<f4").tobytes(), k=k) for vector in vectors]
        rankings += await _rankings(searchers, index, requests)
        told(len(rankings))
    return rankings


async def rankings_of_items(
    searchers: Searchers, index: CollectionRecord, ids: Sequence[str], *, k: int, told: Told
) -> list[list[str]]:
    """Ids of the `k` items most like each item, itself left out; otherwise as `rankings_of_texts`."""
    found: list[list[str]] = []
    for start in range(0, len(ids), _TEXTS_AT_ONCE):
        part = ids[start : start + _TEXTS_AT_ONCE]
        requests = [similarity_search(index, item, k=k + 1) for item in part]
        for item, ranking in zip(part, await _rankings(searchers, index, requests), strict=True):
            found.append([other for other in ranking if other != item][:k])
        told(len(found))
    return found


async def _rankings(
    searchers: Searchers, index: CollectionRecord, requests: Sequence[searcher_pb2.SearchRequest]
) -> list[list[str]]:
    room = asyncio.Semaphore(_AT_ONCE)

    async def ranking(request: searcher_pb2.SearchRequest) -> list[str]:
        async with room:
            return await searchers.ranking(index, request)

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(ranking(request)) for request in requests]
    return [one.result() for one in asked]
