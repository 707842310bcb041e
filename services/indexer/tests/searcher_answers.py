"""A small gRPC server that answers as a searcher does that has loaded certain manifests."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np

from sightwire.blobs import BlobStore
from sightwire.segments.deletes import deleted_mask
from sightwire.segments.depot import SegmentDepot
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import Manifest
from sightwire.segments.manifest_store import ManifestStore
from sightwire.segments.open_segments import OpenSegment, SegmentStock
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

Disturb = Callable[[searcher_pb2.SearchResponse], None]


class SearcherAnswers(searcher_pb2_grpc.SearcherServicer):
    """Answers searches by one vector of an item field, comparing with every vector.

    Args:
        manifests: loaded version by `<collection>-<uid>`.
        disturb: what to do to an answer before it goes out, at that moment.
    """

    def __init__(
        self, blobs: BlobStore, cache: Path, manifests: Mapping[str, int], disturb: Callable[[], Disturb | None]
    ) -> None:
        self._blobs = blobs
        self._cache = cache
        self._manifests = manifests
        self._disturb = disturb

    async def DescribeCollection(
        self, request: searcher_pb2.DescribeCollectionRequest, context: Any
    ) -> searcher_pb2.DescribeCollectionResponse:
        _, manifest = await self._loaded(request.collection, context)
        return searcher_pb2.DescribeCollectionResponse(
            collection=manifest.collection,
            uid=manifest.collection_uid,
            generation=manifest.generation,
            manifest_version=manifest.version,
            items=manifest.items,
        )

    async def Search(self, request: searcher_pb2.SearchRequest, context: Any) -> searcher_pb2.SearchResponse:
        layout, manifest = await self._loaded(request.collection, context)
        depot = SegmentDepot(self._blobs, layout, self._cache)
        (query,) = request.queries
        found: list[tuple[float, str]] = []
        for segment in await SegmentStock(self._blobs, layout, depot).open(manifest.segments):
            found += _found(segment, query, request.k)
        response = searcher_pb2.SearchResponse(manifest_version=manifest.version, generation=manifest.generation)
        for score, item_id in sorted(found, reverse=True)[: request.k]:
            response.hits.add(item_id=item_id, score=score)
        disturb = self._disturb()
        if disturb is not None:
            disturb(response)
        return response

    async def _loaded(self, collection: str, context: Any) -> tuple[IndexLayout, Manifest]:
        versions = {key: version for key, version in self._manifests.items() if key.rpartition("-")[0] == collection}
        if not versions:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"{collection!r} is not loaded")
        ((key, version),) = versions.items()
        layout = IndexLayout(f"indexes/{key}")
        return layout, await ManifestStore(self._blobs, layout).read(version)


def _found(segment: OpenSegment, query: searcher_pb2.FieldQuery, k: int) -> list[tuple[float, str]]:
    reader = segment.live.reader
    vector = np.frombuffer(query.vector, dtype="<f4").reshape(1, -1)
    selection = reader.select(query.field, ~deleted_mask(segment.live.deletes, reader.rows))
    hits = reader.search(query.field, vector, k, selection=selection, exact=True)
    rows = [row for row in hits.rows[0].tolist() if row >= 0]
    return list(zip(hits.scores[0].tolist(), reader.ids(rows), strict=False))


async def serve(answers: SearcherAnswers) -> tuple[grpc.aio.Server, str]:
    """Starts a server; returns it and its address."""
    server = grpc.aio.server()
    searcher_pb2_grpc.add_SearcherServicer_to_server(answers, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, f"127.0.0.1:{port}"
