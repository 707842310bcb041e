"""The Searcher gRPC service: checks requests, takes a snapshot, and answers from it in the thread of the call."""

import os
import time
from types import TracebackType
from typing import Final

import grpc
from typing_extensions import override

from sightwire.errors import InvalidInputError, SightwireError
from sightwire.service.grpc_errors import answering_errors_in_thread
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc
from sightwire_searcher import metrics
from sightwire_searcher.description import process_memory
from sightwire_searcher.first_loads import FirstLoads
from sightwire_searcher.search.engine import SearchEngine
from sightwire_searcher.search.lookups import checked_vector_fields, items_by_id, list_items
from sightwire_searcher.search.many_answers import search_many
from sightwire_searcher.search.many_requests import checked_many
from sightwire_searcher.search.requests import checked_filter, checked_query
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.snapshot import Snapshot
from sightwire_searcher.snapshot_board import SnapshotBoard

MAX_IDS: Final = 10_000
MAX_LIST_LIMIT: Final = 1000
DEFAULT_LIST_LIMIT: Final = 100
_CORES: Final = os.cpu_count() or 1


class SearcherService(searcher_pb2_grpc.SearcherServicer):
    """Answers from the board's snapshots, or from what `first_loads` has loaded if a collection is not there yet."""

    def __init__(self, board: SnapshotBoard, selections: Selections, first_loads: FirstLoads) -> None:
        self._board = board
        self._selections = selections
        self._engine = SearchEngine(selections)
        self._first_loads = first_loads

    @override
    @answering_errors_in_thread
    def Search(
        self, request: searcher_pb2.SearchRequest, _context: grpc.ServicerContext
    ) -> searcher_pb2.SearchResponse:
        with _measured("Search"):
            snapshot = self._searched(request.collection, request.manifest_version)
            return self._engine.search(snapshot, checked_query(request, snapshot))

    @override
    @answering_errors_in_thread
    def SearchMany(
        self, request: searcher_pb2.SearchManyRequest, _context: grpc.ServicerContext
    ) -> searcher_pb2.SearchManyResponse:
        with _measured("SearchMany"):
            snapshot = self._searched(request.collection, request.manifest_version)
            search, vectors = checked_many(request, snapshot)
            return search_many(
                snapshot,
                self._selections,
                search,
                vectors,
                threads=_CORES,
                with_documents=not request.omit_documents,
            )

    @override
    @answering_errors_in_thread
    def GetItems(
        self, request: searcher_pb2.GetItemsRequest, _context: grpc.ServicerContext
    ) -> searcher_pb2.GetItemsResponse:
        with _measured("GetItems"):
            if not 1 <= len(request.item_ids) <= MAX_IDS:
                raise InvalidInputError(f"'item_ids' expects 1 to {MAX_IDS} ids, got {len(request.item_ids)}")
            snapshot = self._newest(request.collection)
            vector_fields = checked_vector_fields(request.vector_fields, snapshot.record)
            items = items_by_id(snapshot, request.item_ids, vector_fields=vector_fields)
            return searcher_pb2.GetItemsResponse(items=items, manifest_version=snapshot.version)

    @override
    @answering_errors_in_thread
    def ListItems(
        self, request: searcher_pb2.ListItemsRequest, _context: grpc.ServicerContext
    ) -> searcher_pb2.ListItemsResponse:
        with _measured("ListItems"):
            if request.limit > MAX_LIST_LIMIT:
                raise InvalidInputError(f"'limit' expects up to {MAX_LIST_LIMIT}, got {request.limit}")
            snapshot = self._newest(request.collection)
            page = list_items(
                snapshot,
                self._selections,
                limit=request.limit or DEFAULT_LIST_LIMIT,
                token=request.page_token,
                filter_=checked_filter(request.filter, snapshot.record) if request.HasField("filter") else None,
                vector_fields=checked_vector_fields(request.vector_fields, snapshot.record),
            )
            return searcher_pb2.ListItemsResponse(
                items=page.items, next_page_token=page.next_token, manifest_version=snapshot.version
            )

    @override
    @answering_errors_in_thread
    def DescribeCollection(
        self, request: searcher_pb2.DescribeCollectionRequest, _context: grpc.ServicerContext
    ) -> searcher_pb2.DescribeCollectionResponse:
        with _measured("DescribeCollection"):
            snapshot = self._newest(request.collection)
            response = searcher_pb2.DescribeCollectionResponse()
            response.CopyFrom(snapshot.description)
            memory = process_memory()
            if memory is not None:
                response.process.CopyFrom(memory)
            return response

    def _searched(self, collection: str, version: int) -> Snapshot:
        """The snapshot of a manifest version, 0 for the newest."""
        snapshot = self._board.for_search(collection, version)
        if snapshot is None:
            loaded = self._first_loads.snapshot(collection)
            # It may have been dropped again meanwhile.
            snapshot = self._board.for_search(collection, version) or loaded
        return snapshot

    def _newest(self, collection: str) -> Snapshot:
        return self._board.newest(collection) or self._first_loads.snapshot(collection)


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
