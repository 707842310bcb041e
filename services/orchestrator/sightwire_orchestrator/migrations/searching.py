"""Asks the searchers for items and results of any index, shadows too."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final, TypeVar

import grpc.aio

from sightwire.bus.connection import Bus
from sightwire.bus.searchers import SearcherDirectory
from sightwire.contracts.collections import CollectionRecord, VectorSource
from sightwire.errors import SightwireError, UnavailableError
from sightwire.service.grpc_errors import error_from_call
from sightwire.telemetry.grpc import client_interceptors
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

Response = TypeVar("Response")

_CALL_SECONDS: Final = 60.0
_MAX_MESSAGE_BYTES: Final = 256 * 1024 * 1024
#: Ids that a searcher takes at once.
_IDS_A_CALL: Final = 500
_SERVICE_CONFIG: Final = {
    "methodConfig": [
        {
            "name": [{}],
            # Every call is a read.
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


class Searchers:
    """The live searchers; a call goes to the one that has loaded the newest manifest of its index."""

    def __init__(self, directory: SearcherDirectory, channels: AsyncExitStack) -> None:
        self._directory = directory
        self._channels = channels
        self._stubs: dict[str, searcher_pb2_grpc.SearcherAsyncStub] = {}

    async def page(
        self, index: CollectionRecord, *, token: str, limit: int
    ) -> tuple[list[searcher_pb2.StoredItem], str]:
        """Live items after `token`, in an order that depends on their ids alone, and the token of the next page.

        The token is empty after the last item. Vectors of the user's own come along.

        Raises:
            SightwireError: no searcher has loaded the index, or none answers.
        """
        request = searcher_pb2.ListItemsRequest(
            collection=index.name, limit=limit, page_token=token, vector_fields=_users_fields(index)
        )
        answer = await self._ask(index, lambda stub: stub.ListItems(request, timeout=_CALL_SECONDS))
        return list(answer.items), answer.next_page_token

    async def items(self, index: CollectionRecord, ids: Sequence[str]) -> list[searcher_pb2.StoredItem]:
        """Items by id, as `page` gives them, without those that are not there; raises as `page` does."""
        found: list[searcher_pb2.StoredItem] = []
        for start in range(0, len(ids), _IDS_A_CALL):
            request = searcher_pb2.GetItemsRequest(
                collection=index.name, item_ids=ids[start : start + _IDS_A_CALL], vector_fields=_users_fields(index)
            )
            answer = await self._ask(index, partial(_get_items, request))
            found += answer.items
        return found

    async def count(self, index: CollectionRecord) -> int:
        """Live items of an index; raises as `page` does."""
        request = searcher_pb2.DescribeCollectionRequest(collection=index.name)
        answer = await self._ask(index, lambda stub: stub.DescribeCollection(request, timeout=_CALL_SECONDS))
        return answer.items

    async def ranking(self, index: CollectionRecord, request: searcher_pb2.SearchRequest) -> list[str]:
        """Ids of what a search finds, best first; raises as `page` does."""
        answer = await self._ask(index, lambda stub: stub.Search(request, timeout=_CALL_SECONDS))
        return [hit.item_id for hit in answer.hits]

    async def _ask(
        self, index: CollectionRecord, call: "Callable[[searcher_pb2_grpc.SearcherAsyncStub], Awaitable[Response]]"
    ) -> Response:
        try:
            return await call(self._stub_for(index))
        except grpc.aio.AioRpcError as error:
            failure: SightwireError = error_from_call(error, service="searcher")
            raise failure from error

    def _stub_for(self, index: CollectionRecord) -> "searcher_pb2_grpc.SearcherAsyncStub":
        loaded = self._directory.loaded(index.name, index.uid)
        newest = max(loaded, key=lambda searcher: loaded[searcher], default=None)
        if newest is None or not loaded[newest]:
            raise UnavailableError(f"no live searcher has loaded the index {index.name!r}; try again")
        address = self._directory.addresses()[newest]
        stub = self._stubs.get(address)
        if stub is None:
            channel = grpc.aio.insecure_channel(
                address,
                options=[
                    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
                    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                    # A proxy of the environment has no business between the platform's services.
                    ("grpc.enable_http_proxy", 0),
                ],
                interceptors=client_interceptors(),
            )
            self._channels.push_async_callback(channel.close, None)
            stub = self._stubs[address] = searcher_pb2_grpc.SearcherStub(channel)
        return stub


def _get_items(
    request: searcher_pb2.GetItemsRequest, stub: "searcher_pb2_grpc.SearcherAsyncStub"
) -> Awaitable[searcher_pb2.GetItemsResponse]:
    return stub.GetItems(request, timeout=_CALL_SECONDS)


def _users_fields(index: CollectionRecord) -> list[str]:
    return index.spec.field_names(VectorSource.USER)


@asynccontextmanager
async def open_searchers(bus: Bus) -> AsyncIterator[Searchers]:
    """The searchers that announce themselves, until the block ends."""
    async with SearcherDirectory(bus) as directory, AsyncExitStack() as channels:
        yield Searchers(directory, channels)
