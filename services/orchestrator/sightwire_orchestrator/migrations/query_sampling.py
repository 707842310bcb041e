"""Queries that nobody asked: captions of items that are there, or the items themselves."""

import orjson

from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.documents import ItemDocument
from sightwire_orchestrator.migrations.searching import Searchers

_MAX_QUERY_CHARACTERS = 200


async def sampled_queries(searchers: Searchers, index: CollectionRecord, count: int) -> tuple[list[str], list[str]]:
    """Texts of up to `count` items, and ids of as many that have none.

    The list of items is by a hash of their ids, so that its beginning is a sample, and the same one each time.

    Raises:
        SightwireError: no searcher answers.
    """
    items, _ = await searchers.page(index, token="", limit=min(2 * count, 1000))
    texts: list[str] = []
    ids: list[str] = []
    for item in items:
        document: ItemDocument = orjson.loads(item.document)
        text = " ".join(document.get("text", "").split())[:_MAX_QUERY_CHARACTERS]
        if text and len(texts) < count:
            texts.append(text)
        elif not text and len(ids) < count:
            ids.append(document["id"])
    return texts, ids
