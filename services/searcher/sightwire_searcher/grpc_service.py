"""The Searcher gRPC service: checks requests, takes a snapshot, and has the engine answer in a thread."""

import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Final, TypeVar

import grpc.aio
from typing_extensions import override

from sightwire.errors import InvalidInputError, SightwireError, UnavailableError
from sightwire.service.grpc_errors import answering_errors
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc
from sightwire_searcher import metrics
from sightwire_searcher.description import process_memory
from sightwire_searcher.query_executor import QueryExecutor
from sightwire_searcher.search.cost import estimated_products
from sightwire_searcher.search.engine import SearchEngine
from sightwire_searcher.search.lookups import items_by_id, list_items
from sightwire_searcher.search.query import Query
from sightwire_searcher.search.requests import checked_filter, checked_query
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.snapshot import Snapshot
from sightwire_searcher.snapshot_board import SnapshotBoard

MAX_IDS: Final = 10_000
MAX_LIST_LIMIT: Final = 1000
DEFAULT_LIST_LIMIT: Final = 100

Context = grpc.aio.ServicerContext[Any, Any]
Answer = TypeVar("Answer")
#: Loads a collection that is not on the board; raises UnknownCollectionError if there is none.
LoadCollection = Callable[[str], Awaitable[Snapshot | None]]


class SearcherService(searcher_pb2_grpc.SearcherServicer):
    """Answers from the board's snapshots.

    Args:
        load: called for a collection without a snapshot, which may have been created just now.
        inline_products: queries of fewer multiplications run in the event loop itself.
    """

    def __init__(
        self,
        board: SnapshotBoard,
        selections: Selections,
        executor: QueryExecutor[Any, Any],
        load: LoadCollection,
        *,
        inline_products: int,
    ) -> None:
        self._board = board
        self._selections = selections
        self._engine = SearchEngine(selections)
        self._executor = executor
        self._load = load
        self._inline_products = inline_products

    @override
    @answering_errors
    async def Search(self, request: searcher_pb2.SearchRequest, _context: Context) -> searcher_pb2.SearchResponse:
        with _measured("Search"):
            snapshot = self._board.for_search(request.collection, request.manifest_version)
            if snapshot is None:
                await self._load_snapshot(request.collection)
                snapshot = self._loaded(
                    self._board.for_search(request.collection, request.manifest_version), request.collection
                )
            query = checked_query(request, snapshot)
            if self._is_small(snapshot, query):
                metrics.BATCH_SIZE.observe(1)
                return self._engine.search(snapshot, query)
            key = query.batch_key
            response: searcher_pb2.SearchResponse = await self._executor.submit(
                query,
                functools.partial(self._search_batch, snapshot),
                key=(id(snapshot), key) if key is not None else None,
            )
            return response

    @override
    @answering_errors
    async def GetItems(self, request: searcher_pb2.GetItemsRequest, _context: Context) -> searcher_pb2.GetItemsResponse:
        with _measured("GetItems"):
            if not 1 <= len(request.item_ids) <= MAX_IDS:
                raise InvalidInputError(f"'item_ids' expects 1 to {MAX_IDS} ids, got {len(request.item_ids)}")
            snapshot = await self._newest(request.collection)
            items = await self._in_thread(lambda: items_by_id(snapshot, request.item_ids))
            return searcher_pb2.GetItemsResponse(items=items, manifest_version=snapshot.version)

    @override
    @answering_errors
    async def ListItems(
        self, request: searcher_pb2.ListItemsRequest, _context: Context
    ) -> searcher_pb2.ListItemsResponse:
        with _measured("ListItems"):
            if request.limit > MAX_LIST_LIMIT:
                raise InvalidInputError(f"'limit' expects up to {MAX_LIST_LIMIT}, got {request.limit}")
            snapshot = await self._newest(request.collection)
            filter_ = checked_filter(request.filter, snapshot.record) if request.HasField("filter") else None
            page = await self._in_thread(
                lambda: list_items(
                    snapshot,
                    self._selections,
                    limit=request.limit or DEFAULT_LIST_LIMIT,
                    token=request.page_token,
                    filter_=filter_,
                )
            )
            return searcher_pb2.ListItemsResponse(
                items=page.items, next_page_token=page.next_token, manifest_version=snapshot.version
            )

    @override
    @answering_errors
    async def DescribeCollection(
        self, request: searcher_pb2.DescribeCollectionRequest, _context: Context
    ) -> searcher_pb2.DescribeCollectionResponse:
        with _measured("DescribeCollection"):
            snapshot = await self._newest(request.collection)
            response = searcher_pb2.DescribeCollectionResponse()
            response.CopyFrom(snapshot.description)
            # Read here: the kernel makes up this file when asked, without any disk.
            memory = process_memory()
            if memory is not None:
                response.process.CopyFrom(memory)
            return response

    def _is_small(self, snapshot: Snapshot, query: Query) -> bool:
        products = estimated_products(snapshot, self._selections, query)
        return products is not None and products < self._inline_products

    def _search_batch(self, snapshot: Snapshot, queries: Sequence[Query]) -> list[searcher_pb2.SearchResponse]:
        metrics.BATCH_SIZE.observe(len(queries))
        return self._engine.search_batch(snapshot, queries)

    async def _newest(self, collection: str) -> Snapshot:
        snapshot = self._board.newest(collection)
        if snapshot is not None:
            return snapshot
        return await self._load_snapshot(collection)

    async def _load_snapshot(self, collection: str) -> Snapshot:
        return self._loaded(await self._load(collection), collection)

    @staticmethod
    def _loaded(snapshot: Snapshot | None, collection: str) -> Snapshot:
        if snapshot is None:
            raise UnavailableError(f"collection {collection!r} cannot be loaded at the moment; try again")
        return snapshot

    async def _in_thread(self, answer: Callable[[], Answer]) -> Answer:
        result: Answer = await self._executor.submit(None, lambda _jobs: [answer()])
        return result


class _measured:  # noqa: N801  reads as a statement
    """Counts a request's time and its error; a class, since a generator's context manager takes twice as long."""

    __slots__ = ("_method", "_started")

    def __init__(self, method: str) -> None:
        self._method = method

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if isinstance(error, SightwireError):
            metrics.QUERY_ERRORS.labels(self._method, error.code).inc()
        metrics.METHOD_SECONDS[self._method].observe(time.perf_counter() - self._started)
