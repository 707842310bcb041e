"""What an index holds, as its searcher tells it, and how two indexes differ."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import orjson

from sightwire.segments.vectors import Matrix
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

_PAGE = 500
_K = 10
#: Of a search that looks at so much that the graphs' approximation plays no part.
_EF_SEARCH = 1_000


@dataclass(frozen=True, slots=True)
class IndexContent:
    """Live items of an index by id."""

    versions: Mapping[str, int]
    texts: Mapping[str, str]
    #: Of the field `text`; float32, each [dimension].
    vectors: Mapping[str, Matrix]
    #: Items that were listed more than once.
    twice: int


async def read_content(stub: "searcher_pb2_grpc.SearcherAsyncStub", index: str) -> IndexContent:
    """All items of an index that nobody changes meanwhile."""
    items: list[searcher_pb2.StoredItem] = []
    token = ""
    while True:
        answer = await stub.ListItems(
            searcher_pb2.ListItemsRequest(collection=index, limit=_PAGE, page_token=token, vector_fields=["text"])
        )
        items += answer.items
        token = answer.next_page_token
        if not token:
            break
    return IndexContent(
        {item.item_id: item.version for item in items},
        {item.item_id: orjson.loads(item.document)["text"] for item in items},
        {item.item_id: np.frombuffer(item.vectors[0].matrix.data, dtype=np.float32) for item in items},
        sum(times - 1 for times in Counter(item.item_id for item in items).values()),
    )


def largest_difference(one: IndexContent, other: IndexContent) -> float:
    """Of any component of any vector of the items that both have."""
    both = one.vectors.keys() & other.vectors.keys()
    return max(float(np.abs(one.vectors[item_id] - other.vectors[item_id]).max()) for item_id in both)


async def agreement(stub: "searcher_pb2_grpc.SearcherAsyncStub", one: str, other: str, vectors: Matrix) -> float:
    """Mean share of the first ten results that two indexes have in common; vectors: float32 [queries, dimension].

    Items of the same text count as the same: which of them comes first is nobody's business.
    """
    shares = []
    for vector in vectors:
        query = searcher_pb2.FieldQuery(field="text", vector=vector.tobytes())
        found = [
            await stub.Search(searcher_pb2.SearchRequest(collection=index, queries=[query], k=_K, ef_search=_EF_SEARCH))
            for index in (one, other)
        ]
        texts = [Counter(orjson.loads(hit.document)["text"] for hit in answer.hits) for answer in found]
        shares.append((texts[0] & texts[1]).total() / max(texts[0].total(), 1))
    return float(np.mean(shares))
