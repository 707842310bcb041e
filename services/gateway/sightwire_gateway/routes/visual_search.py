"""Routes that clients of the visual search call: their paths, parameters and answers are fixed."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sightwire.contracts.collections import CollectionRecord, VectorSource
from sightwire.errors import InvalidInputError
from sightwire_gateway.answers import base_url_of, json_response, query_headers
from sightwire_gateway.documentation import body, form_content, json_content
from sightwire_gateway.gateway import Gateway, GatewayParts
from sightwire_gateway.index_search import QueryPicture
from sightwire_gateway.item_requests import ItemRequest
from sightwire_gateway.routes.search import checked_query_picture
from sightwire_gateway.search_requests import Query as SearchQuery
from sightwire_gateway.search_requests import SearchRequest
from sightwire_gateway.uploads import read_form_picture
from sightwire_gateway.visual_results import (
    HybridRequest,
    IngestedImage,
    VisualResult,
    hybrid_filter,
    visual_results,
)
from sightwire_gateway.waiting import wait_until_final

router = APIRouter(tags=["visual search"])

Collection = Annotated[str | None, Query(description="Another collection than the default one")]
K = Annotated[int, Query(ge=1, le=100, description="How many results")]


@router.post(
    "/ingest/image",
    summary="Ingest a picture and wait until it is searchable",
    response_class=Response,
    responses={200: {"model": IngestedImage}},
    openapi_extra=body(form_content("image")),
)
async def ingest_image(
    request: Request,
    gateway: GatewayParts,
    tags: Annotated[str, Query(description="Separated by commas", examples=["holiday,beach"])] = "",
    collection: Collection = None,
) -> Response:
    started = time.perf_counter()
    record = await gateway.collections.get_or_default(collection)
    data, filename = await read_form_picture(request, gateway.bodies)
    item = ItemRequest(tags=_split(tags))
    event = await gateway.ingest.prepare(record, item, picture=data, filename=filename)
    accepted = await gateway.ingest.put(record.name, event)
    status = await wait_until_final(
        gateway.statuses,
        record.name,
        accepted.id,
        version=accepted.version,
        seconds=gateway.settings.gateway_ingest_image_seconds,
    )
    return json_response(
        {
            "status": "success",
            "image_id": accepted.id,
            "num_detections": status.objects or 0,
            "processing_time_ms": round((time.perf_counter() - started) * 1000, 3),
        }
    )


@router.get(
    "/search/text",
    summary="Pictures for a text",
    response_class=Response,
    responses={200: {"model": list[VisualResult]}},
)
async def search_text(
    request: Request,
    gateway: GatewayParts,
    q: Annotated[str, Query(description="What the picture shows", examples=["a dog on the beach"])],
    k: K = 20,
    collection: Collection = None,
) -> Response:
    record = await gateway.collections.get_or_default(collection)
    return await _answer(request, gateway, record, SearchRequest(query=SearchQuery(text=q), k=k))


@router.post(
    "/search/hybrid",
    summary="Pictures for a text, with filters",
    response_class=Response,
    responses={200: {"model": list[VisualResult]}},
    openapi_extra=body(json_content(HybridRequest)),
)
async def search_hybrid(request: Request, gateway: GatewayParts, collection: Collection = None) -> Response:
    """Finds by vectors and by words in captions, tags and class names; every filter holds for every result.

    Of several classes or tags one is enough.
    """
    record = await gateway.collections.get_or_default(collection)
    hybrid = await gateway.bodies.read_json(request, HybridRequest)
    wanted = SearchRequest(
        query=SearchQuery(text=hybrid.text_query),
        hybrid=True,
        filter=hybrid_filter(hybrid),
        k=hybrid.k,
    )
    return await _answer(request, gateway, record, wanted)


@router.post(
    "/search/similar",
    summary="Pictures like a picture",
    response_class=Response,
    responses={200: {"model": list[VisualResult]}},
    openapi_extra=body(form_content("image")),
)
async def search_similar(request: Request, gateway: GatewayParts, k: K = 20, collection: Collection = None) -> Response:
    record = await gateway.collections.get_or_default(collection)
    data, _ = await read_form_picture(request, gateway.bodies)
    picture = await checked_query_picture(gateway, data)
    return await _answer(request, gateway, record, SearchRequest(k=k), picture)


async def _answer(
    request: Request,
    gateway: Gateway,
    record: CollectionRecord,
    wanted: SearchRequest,
    picture: QueryPicture | None = None,
) -> Response:
    fields = record.spec.field_names(VectorSource.IMAGE)
    if not fields:
        raise InvalidInputError(
            f"collection {record.name!r} has no vector field of images, so it cannot be searched so"
        )
    update: dict[str, object] = {"fields": fields}
    captions = record.spec.field_names(VectorSource.TEXT)
    if wanted.query.text is not None and (captions or wanted.hybrid):
        # By what pictures show and by what is said of them; texts without a picture are no results.
        pictures_only = {"has_image": True}
        filter_ = {"all": [pictures_only, wanted.filter]} if wanted.filter is not None else pictures_only
        update = {"fields": [*fields, *captions], "filter": filter_}
    wanted = wanted.model_copy(update=update)
    outcome = await gateway.search.search(record, wanted, picture=picture)
    base_url = base_url_of(request, gateway.settings.gateway_public_url)
    results = visual_results(outcome.response, base_url=base_url, collection=record.name)
    return json_response(results, headers=query_headers(outcome))


def _split(tags: str) -> list[str]:
    return [tag.strip() for tag in tags.split(",") if tag.strip()]
