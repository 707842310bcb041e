"""Searches one index: plan, embed in its space, ask the searcher."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import InvalidInputError, UnavailableError, UnknownCollectionError
from sightwire.v1 import searcher_pb2
from sightwire_gateway.backends import EmbedderClient, SearcherClient
from sightwire_gateway.cursors import PAGING_WINDOW
from sightwire_gateway.query_cache import QueryCache
from sightwire_gateway.query_plan import Embedding, QueryPlan, chosen_fusion, plan_filter, plan_query
from sightwire_gateway.search_requests import SearchRequest
from sightwire_gateway.users_names import errors_in_users_words

Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class QueryPicture:
    """The picture of a query: its bytes, which have been decoded once, and their sha256."""

    data: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, checked in form only."""

    request: SearchRequest
    #: The query's image, when the query is one.
    picture: QueryPicture | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Where the wanted results begin, and in which manifest; 0 for the newest."""

    offset: int = 0
    manifest_version: int = 0


@dataclass(frozen=True, slots=True)
class IndexAnswer:
    """What an index answered."""

    index: CollectionRecord
    response: searcher_pb2.SearchResponse
    fields: tuple[str, ...]


class IndexSearch:
    """Asks indexes. An index is named by its own record, be it a shadow's; errors have the users' name."""

    def __init__(
        self, embedder: EmbedderClient, searcher: SearcherClient, cache: QueryCache, *, max_query_characters: int
    ) -> None:
        self._embedder = embedder
        self._searcher = searcher
        self._cache = cache
        #: May be replaced.
        self.max_query_characters = max_query_characters

    def plan(self, index: CollectionRecord, question: Question) -> QueryPlan:
        """How an index would answer.

        Raises:
            InvalidInputError and its kin: the request does not fit the collection.
        """
        request = question.request
        is_uploaded = question.picture is not None and request.query.image is None
        with errors_in_users_words(index):
            return plan_query(index, request, has_upload=is_uploaded, max_characters=self.max_query_characters)

    async def answer(
        self, index: CollectionRecord, question: Question, page: Page = Page(), *, is_fresh: bool = False
    ) -> IndexAnswer:
        """What an index answers; unless it `is_fresh`, perhaps from the cache, or with the text's vector from there.

        Raises:
            InvalidInputError and its kin: the request does not fit the collection.
            UnavailableError: embedder or searcher does not answer.
        """
        request = question.request
        plan = self.plan(index, question)
        with errors_in_users_words(index):
            filter_ = plan_filter(index, request.filter)
            if page.offset + request.k > PAGING_WINDOW:
                raise InvalidInputError(
                    f"results can be paged to the {PAGING_WINDOW}th, this page ends at {page.offset + request.k}; "
                    "narrow the query with a filter"
                )
            search = searcher_pb2.SearchRequest(
                collection=index.name,
                k=request.k,
                offset=page.offset,
                filter=filter_,
                manifest_version=page.manifest_version,
                explain=request.explain,
                ef_search=request.ef_search or 0,
                fusion=chosen_fusion(index, request, plan),
                text=plan.words,
                sort=[searcher_pb2.SortKey(field=key.field, descending=key.descending) for key in request.sort or []],
                facets=[
                    searcher_pb2.FacetRequest(field=facet.field, limit=facet.limit) for facet in request.facets or []
                ],
            )
            if request.group_by is not None:
                search.group_by.field, search.group_by.size = request.group_by.field, request.group_by.size

        async def ask_searcher() -> searcher_pb2.SearchResponse:
            with errors_in_users_words(index):
                queries = await self._field_queries(index, question, plan, is_fresh=is_fresh)
            return await ask(self._searcher.search(_with_queries(search, queries)), index)

        if is_fresh:
            return IndexAnswer(index, await ask_searcher(), plan.fields)
        response = await self._cache.answer(index, search, _embedded(question, plan), ask_searcher)
        return IndexAnswer(index, response, plan.fields)

    async def _field_queries(
        self, index: CollectionRecord, question: Question, plan: QueryPlan, *, is_fresh: bool
    ) -> list[searcher_pb2.FieldQuery]:
        if not plan.fields:
            return []
        queries = await self._unweighted(index, question, plan, is_fresh=is_fresh)
        for query in queries:
            query.weight = (question.request.weights or {}).get(query.field, 0.0)
        return queries

    async def _unweighted(
        self, index: CollectionRecord, question: Question, plan: QueryPlan, *, is_fresh: bool
    ) -> list[searcher_pb2.FieldQuery]:
        if plan.item_id is not None:
            return [searcher_pb2.FieldQuery(field=field, item_id=plan.item_id) for field in plan.fields]
        if plan.vector is not None:
            return [searcher_pb2.FieldQuery(field=field, vector=plan.vector) for field in plan.fields]
        if plan.embedding is Embedding.TEXT:
            text = question.request.query.text
            assert text is not None, "the plan embeds a text only when there is one"
            vector, space = await self._embedder.embed_text(text, space=index.space, is_fresh=is_fresh)
        else:
            assert question.picture is not None, "routes read the query's image before they search"
            vector, space = await self._embedder.embed_image(question.picture.data, space=index.space)
        return [searcher_pb2.FieldQuery(field=field, vector=vector, space=space) for field in plan.fields]


def _embedded(question: Question, plan: QueryPlan) -> tuple[object, ...]:
    """What `IndexSearch._field_queries` makes queries of."""
    weights = question.request.weights or {}
    text = question.request.query.text if plan.embedding is Embedding.TEXT else None
    picture = question.picture.sha256 if question.picture is not None and plan.embedding is Embedding.IMAGE else None
    fields = [(field, weights.get(field, 0.0)) for field in plan.fields]
    return fields, plan.item_id, plan.vector, text, picture


def _with_queries(
    search: searcher_pb2.SearchRequest, queries: list[searcher_pb2.FieldQuery]
) -> searcher_pb2.SearchRequest:
    complete = searcher_pb2.SearchRequest()
    complete.CopyFrom(search)
    complete.queries.extend(queries)
    return complete


async def ask(call: Awaitable[Response], index: CollectionRecord) -> Response:
    """The searcher's answer about an index that is registered.

    Raises:
        UnavailableError: the searcher has not loaded it yet.
    """
    with errors_in_users_words(index):
        try:
            return await call
        except UnknownCollectionError as error:
            raise UnavailableError(
                f"collection {index.users_name!r} exists, but no searcher has loaded it yet; try again"
            ) from error
