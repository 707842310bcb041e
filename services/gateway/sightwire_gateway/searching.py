"""Answers searches: plan, embed, ask the searcher."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import InvalidInputError, UnavailableError, UnknownCollectionError
from sightwire.v1 import searcher_pb2
from sightwire_gateway import cursors
from sightwire_gateway.backends import EmbedderClient, SearcherClient
from sightwire_gateway.query_plan import Embedding, QueryPlan, chosen_fusion, plan_filter, plan_query
from sightwire_gateway.search_requests import SearchRequest

Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class QueryPicture:
    """The picture of a query: its bytes, which have been decoded once, and their sha256."""

    data: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """What the searcher found, and how to go on."""

    response: searcher_pb2.SearchResponse
    fields: tuple[str, ...]
    next_cursor: str | None


class SearchDesk:
    """Turns search requests into the searcher's answers."""

    def __init__(self, embedder: EmbedderClient, searcher: SearcherClient, *, max_query_characters: int) -> None:
        self._embedder = embedder
        self._searcher = searcher
        #: May be replaced.
        self.max_query_characters = max_query_characters

    async def search(
        self, record: CollectionRecord, request: SearchRequest, *, picture: QueryPicture | None = None
    ) -> SearchOutcome:
        """Answers a search.

        Args:
            record: the collection.
            request: what is asked, checked in form only.
            picture: the query's image, when the query is one.

        Raises:
            InvalidInputError and its kin: the request does not fit the collection.
            UnavailableError: embedder or searcher does not answer.
        """
        is_uploaded = picture is not None and request.query.image is None
        plan = plan_query(record, request, has_upload=is_uploaded, max_characters=self.max_query_characters)
        filter_ = plan_filter(record, request.filter)
        picture_sha256 = picture.sha256 if picture is not None else ""
        offset, manifest_version = 0, 0
        if request.cursor is not None:
            fingerprint = cursors.fingerprint(record.uid, request, picture_sha256)
            cursor = cursors.decode(request.cursor, expected_fingerprint=fingerprint)
            offset, manifest_version = cursor.offset, cursor.manifest_version
        if offset + request.k > cursors.PAGING_WINDOW:
            raise InvalidInputError(
                f"results can be paged to the {cursors.PAGING_WINDOW}th, this page ends at {offset + request.k}; "
                "narrow the query with a filter"
            )
        search = searcher_pb2.SearchRequest(
            collection=record.name,
            queries=await self._field_queries(record, request, plan, picture),
            k=request.k,
            offset=offset,
            filter=filter_,
            manifest_version=manifest_version,
            explain=request.explain,
            ef_search=request.ef_search or 0,
            fusion=chosen_fusion(record, request, plan),
            text=plan.words,
            sort=[searcher_pb2.SortKey(field=key.field, descending=key.descending) for key in request.sort or []],
            facets=[searcher_pb2.FacetRequest(field=facet.field, limit=facet.limit) for facet in request.facets or []],
        )
        if request.group_by is not None:
            search.group_by.field, search.group_by.size = request.group_by.field, request.group_by.size
        response = await ask(self._searcher.search(search), record)
        next_cursor: str | None = None
        next_offset = offset + request.k
        if response.more and next_offset < cursors.PAGING_WINDOW:
            fingerprint = cursors.fingerprint(record.uid, request, picture_sha256)
            next_cursor = cursors.encode(cursors.Cursor(next_offset, response.manifest_version, fingerprint))
        return SearchOutcome(response, plan.fields, next_cursor)

    async def _field_queries(
        self, record: CollectionRecord, request: SearchRequest, plan: QueryPlan, picture: QueryPicture | None
    ) -> list[searcher_pb2.FieldQuery]:
        if not plan.fields:
            return []
        queries = await self._unweighted(record, request, plan, picture)
        for query in queries:
            query.weight = (request.weights or {}).get(query.field, 0.0)
        return queries

    async def _unweighted(
        self, record: CollectionRecord, request: SearchRequest, plan: QueryPlan, picture: QueryPicture | None
    ) -> list[searcher_pb2.FieldQuery]:
        if plan.item_id is not None:
            return [searcher_pb2.FieldQuery(field=field, item_id=plan.item_id) for field in plan.fields]
        if plan.vector is not None:
            return [searcher_pb2.FieldQuery(field=field, vector=plan.vector) for field in plan.fields]
        if plan.embedding is Embedding.TEXT:
            assert request.query.text is not None, "the plan embeds a text only when there is one"
            vector, space = await self._embedder.embed_text(request.query.text, space=record.space)
        else:
            assert picture is not None, "routes read the query's image before they search"
            vector, space = await self._embedder.embed_image(picture.data)
        return [searcher_pb2.FieldQuery(field=field, vector=vector, space=space) for field in plan.fields]


async def ask(call: Awaitable[Response], record: CollectionRecord) -> Response:
    """The searcher's answer about a collection that is registered.

    Raises:
        UnavailableError: the searcher has not loaded the collection yet.
    """
    try:
        return await call
    except UnknownCollectionError as error:
        raise UnavailableError(
            f"collection {record.name!r} exists, but no searcher has loaded it yet; try again"
        ) from error
