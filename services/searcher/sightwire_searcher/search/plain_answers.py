"""Answers of plain queries: one vector, the first page, no explanation. Most queries are, so nothing here is general.

What fusion and paging keep of a hit (places, ranks, steps) costs as much as a search that takes a fifth of a
millisecond.
"""

from collections.abc import Sequence

from sightwire.v1 import searcher_pb2
from sightwire_searcher.search.rankings import Found, Ranking, values_of_found
from sightwire_searcher.snapshot import Snapshot


def plain_response(
    snapshot: Snapshot, ranking: Ranking, k: int, *, with_documents: bool
) -> searcher_pb2.SearchResponse:
    """The best `k` of a ranking; hits are without `field_scores`, which would say the same again."""
    response = searcher_pb2.SearchResponse(
        manifest_version=snapshot.version,
        generation=snapshot.generation,
        more=len(ranking.found) > k or not ranking.complete,
    )
    page = ranking.found[:k]
    add_hit = response.hits.add
    if not with_documents:
        for score, item_id, _, _ in page:
            add_hit(item_id=item_id, score=score)
        return response
    for (score, item_id, _, _), document in zip(page, documents_of(snapshot, page), strict=True):
        add_hit(item_id=item_id, score=score, document=document)
    return response


def documents_of(snapshot: Snapshot, page: Sequence[Found]) -> list[bytes]:
    """Documents of a page, read together from each segment."""
    if len({found.segment for found in page}) == 1:
        return snapshot.segments[page[0].segment].reader.documents([found.row for found in page])
    return values_of_found(page, lambda segment, rows: snapshot.segments[segment].reader.documents(rows))
