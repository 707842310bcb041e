"""The services behind the gateway, as it needs them: typed calls with deadlines, whose errors are the platform's."""

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Final, TypeVar

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sightwire.errors import UnavailableError
from sightwire.service.grpc_errors import error_from_call
from sightwire.v1 import embedder_pb2, embedder_pb2_grpc, searcher_pb2, searcher_pb2_grpc
from sightwire_gateway import metrics
from sightwire_gateway.embedding_cache import EmbeddingCache, VectorInSpace

_PROBE_SECONDS: Final = 2.0
_DESCRIBE_SECONDS: Final = 5.0
_TEXTS_AT_ONCE: Final = 64

Response = TypeVar("Response")


class EmbedderClient:
    """Turns queries into vectors."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline_seconds: float, cache: EmbeddingCache) -> None:
        self._stub = embedder_pb2_grpc.EmbedderStub(channel)
        #: Of the calls from now on; may be replaced.
        self.deadline_seconds = deadline_seconds
        self._cache = cache
        #: Names of the models that were described, by space.
        self._models: dict[str, str] = {}

    async def embed_text(self, text: str, *, space: str, is_fresh: bool = False) -> VectorInSpace:
        """Vector of a text in a space, and the space that it is in; unless it `is_fresh`, perhaps from the cache.

        Raises:
            SightwireError: the embedder's, or that it does not answer.
        """
        if is_fresh:
            return await self._embed_text(text, space)
        return await self._cache.vector(space, text, partial(self._embed_text, text, space))

    async def _embed_text(self, text: str, space: str) -> VectorInSpace:
        request = embedder_pb2.EmbedTextsRequest(texts=[text], space=space)
        response = await _answer(self._stub.EmbedTexts(request, timeout=self.deadline_seconds), "embedder")
        self._count("text", response.space, response.model_seconds)
        return response.vectors.data, response.space

    async def embed_texts(self, texts: Sequence[str], *, space: str) -> list[VectorInSpace]:
        """Vectors of texts in a space, in their order, and the space that each is in; from the cache those that it has.

        Raises:
            SightwireError: the embedder's, or that it does not answer.
        """
        found: dict[str, VectorInSpace] = {}
        distinct = list(dict.fromkeys(texts))
        # One batch after the other, so that queries of others come in between.
        for first in range(0, len(distinct), _TEXTS_AT_ONCE):
            batch = distinct[first : first + _TEXTS_AT_ONCE]
            vectors = await self._cache.vectors(space, batch, partial(self._embed_texts, space))
            found.update(zip(batch, vectors, strict=True))
        return [found[text] for text in texts]

    async def _embed_texts(self, space: str, texts: Sequence[str]) -> list[VectorInSpace]:
        request = embedder_pb2.EmbedTextsRequest(texts=texts, space=space)
        response = await _answer(self._stub.EmbedTexts(request, timeout=self.deadline_seconds), "embedder")
        self._count("text", response.space, response.model_seconds, len(texts))
        data, row_bytes = response.vectors.data, 4 * response.vectors.dimension
        return [(data[start : start + row_bytes], response.space) for start in range(0, len(data), row_bytes)]

    async def embed_image(self, picture: bytes, *, space: str) -> tuple[bytes, str]:
        """Vector of a picture's bytes in a space, and the space that it is in.

        Raises:
            SightwireError: the embedder's, or that it does not answer.
        """
        request = embedder_pb2.EmbedImagesRequest(images=[picture], space=space)
        response = await _answer(self._stub.EmbedImages(request, timeout=self.deadline_seconds), "embedder")
        self._count("image", response.space, response.model_seconds)
        return response.vectors.data, response.space

    async def describe_model(self) -> embedder_pb2.DescribeModelResponse:
        """The bundle that answers where no space is named.

        Raises:
            UnavailableError: the embedder does not answer, or has no model yet.
        """
        request = embedder_pb2.DescribeModelRequest()
        response = await _answer(self._stub.DescribeModel(request, timeout=_DESCRIBE_SECONDS), "embedder")
        self._models[response.space] = response.name
        return response

    def _count(self, kind: str, space: str, model_seconds: float, vectors: int = 1) -> None:
        metrics.EMBEDDINGS.labels(kind).inc(vectors)
        metrics.INFERENCE_SECONDS.labels(self._models.get(space, space)).observe(model_seconds)


class SearcherClient:
    """Answers queries from the index."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline_seconds: float) -> None:
        self._stub = searcher_pb2_grpc.SearcherStub(channel)
        self._health = health_pb2_grpc.HealthStub(channel)
        #: Of the calls from now on; may be replaced.
        self.deadline_seconds = deadline_seconds

    async def search(self, request: searcher_pb2.SearchRequest) -> searcher_pb2.SearchResponse:
        response = await _answer(self._stub.Search(request, timeout=self.deadline_seconds), "searcher")
        metrics.INDEX_SECONDS.observe(response.search_seconds)
        return response

    async def get_item(self, collection: str, item_id: str) -> searcher_pb2.StoredItem | None:
        """The item as it is searchable now, None if it is not."""
        request = searcher_pb2.GetItemsRequest(collection=collection, item_ids=[item_id])
        response = await _answer(self._stub.GetItems(request, timeout=self.deadline_seconds), "searcher")
        return response.items[0] if response.items else None

    async def list_items(self, request: searcher_pb2.ListItemsRequest) -> searcher_pb2.ListItemsResponse:
        return await _answer(self._stub.ListItems(request, timeout=self.deadline_seconds), "searcher")

    async def describe(self, collection: str) -> searcher_pb2.DescribeCollectionResponse:
        request = searcher_pb2.DescribeCollectionRequest(collection=collection)
        return await _answer(self._stub.DescribeCollection(request, timeout=self.deadline_seconds), "searcher")

    async def check(self) -> None:
        """Asks whether it serves.

        Raises:
            UnavailableError: it does not answer, or has not loaded its indexes yet.
        """
        response = await _answer(
            self._health.Check(health_pb2.HealthCheckRequest(), timeout=_PROBE_SECONDS), "searcher"
        )
        if response.status != health_pb2.HealthCheckResponse.SERVING:
            raise UnavailableError("the searcher runs, but has not loaded its indexes yet")


async def _answer(call: Awaitable[Response], service: str) -> Response:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise error_from_call(error, service=service) from error
