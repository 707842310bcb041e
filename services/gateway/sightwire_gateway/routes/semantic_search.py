"""The route that clients of the semantic search call."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sightwire_gateway.answers import base_url_of, json_response, query_headers
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.search_requests import Query as SearchQuery
from sightwire_gateway.search_requests import SearchRequest
from sightwire_gateway.visual_results import SemanticAnswer, semantic_results

router = APIRouter(tags=["semantic search"])


@router.get("/search", summary="Items for a text", response_class=Response, responses={200: {"model": SemanticAnswer}})
async def search(
    request: Request,
    gateway: GatewayParts,
    q: Annotated[str, Query(description="What is looked for", examples=["a dog on the beach"])],
    k: Annotated[int, Query(ge=1, le=1000)] = 10,
    collection: Annotated[str | None, Query(description="Another collection than the default one")] = None,
) -> Response:
    """Searches texts and pictures alike, ranked by the mean similarity of those fields that an item has."""
    started = time.perf_counter()
    record = await gateway.collections.get_or_default(collection)
    outcome = await gateway.search.search(record, SearchRequest(query=SearchQuery(text=q), k=k))
    base_url = base_url_of(request, gateway.settings.gateway_public_url)
    results = semantic_results(outcome.response, base_url=base_url, collection=record.name)
    took_ms = round((time.perf_counter() - started) * 1000, 3)
    return json_response({"query": q, "results": results, "took_ms": took_ms}, headers=query_headers(outcome))
