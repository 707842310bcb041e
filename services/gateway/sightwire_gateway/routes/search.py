"""The native search."""

import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from sightwire.errors import InvalidInputError
from sightwire_gateway.answers import base_url_of, query_headers, search_answer
from sightwire_gateway.bodies import parse_json
from sightwire_gateway.documentation import body, form_content, json_content, model_part
from sightwire_gateway.gateway import Gateway, GatewayParts
from sightwire_gateway.index_search import QueryPicture
from sightwire_gateway.item_requests import ImageRequest
from sightwire_gateway.pictures import picture_from_base64
from sightwire_gateway.search_answers import SearchAnswer
from sightwire_gateway.search_requests import SearchRequest
from sightwire_gateway.uploads import is_form, read_form

router = APIRouter(prefix="/v1/collections/{collection}", tags=["search"])


@router.post(
    "/search",
    summary="Search by text, image, vector, item or words; filter, sort, group and count",
    response_class=Response,
    responses={200: {"model": SearchAnswer}},
    openapi_extra=body(json_content(SearchRequest), form_content("image", request=model_part(SearchRequest))),
)
async def search(collection: str, request: Request, gateway: GatewayParts) -> Response:
    """JSON, or a form with the query's picture in the part `image` and the JSON in the part `request`."""
    started = time.perf_counter()
    record = gateway.collections.get(collection)
    picture: QueryPicture | None = None
    if is_form(request):
        form = await read_form(request, gateway.bodies, document_part="request")
        wanted = parse_json(form.document or b"{}", SearchRequest)
        if form.picture is not None:
            if wanted.query.image is not None:
                raise InvalidInputError("the query's picture comes in the part 'image' or in 'query', not in both")
            picture = await checked_query_picture(gateway, form.picture)
    else:
        wanted = await gateway.bodies.read_json(request, SearchRequest)
    if picture is None and wanted.query.image is not None:
        picture = await checked_query_picture(gateway, await _image_bytes(gateway, wanted.query.image))
    outcome = await gateway.search.search(record, wanted, picture=picture)
    answer = search_answer(
        outcome,
        base_url=base_url_of(request, gateway.settings.gateway_public_url),
        collection=collection,
        wanted=wanted,
        took_seconds=time.perf_counter() - started,
    )
    return Response(answer, media_type="application/json", headers=query_headers(outcome))


async def checked_query_picture(gateway: Gateway, data: bytes) -> QueryPicture:
    """A picture that is to be searched with.

    Raises:
        InvalidPictureError, TooLargeError: it is none, broken, or too large.
    """
    facts = await gateway.pictures.check(data)
    return QueryPicture(data, facts.sha256)


async def _image_bytes(gateway: Gateway, image: ImageRequest) -> bytes:
    if image.blob is not None:
        reference = await gateway.pictures.stored(image.blob)
        return await gateway.blobs.get(reference.blob)
    if image.data is not None:
        return picture_from_base64(image.data, max_bytes=gateway.settings.gateway_max_picture_bytes)
    assert image.url is not None, "the model has exactly one source"
    return await gateway.pictures.fetch(image.url)
