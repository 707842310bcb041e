"""Pictures: upload for later reference, and the stored ones of items."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sightwire.contracts.documents import ImageDocument
from sightwire.errors import NotFoundError
from sightwire.security.picture_types import PICTURE_TYPES
from sightwire_gateway.answers import json_response
from sightwire_gateway.documentation import body, form_content, raw_content
from sightwire_gateway.gateway import Gateway, GatewayParts
from sightwire_gateway.index_search import ask
from sightwire_gateway.item_requests import StoredPicture
from sightwire_gateway.paths import PathItemId
from sightwire_gateway.picture_answers import picture_answer, thumbnail_answer
from sightwire_gateway.thumbnails import nearest_size
from sightwire_gateway.uploads import is_form, read_form_picture, read_raw_picture

router = APIRouter(prefix="/v1/collections/{collection}", tags=["images"])


@router.post(
    "/images",
    status_code=201,
    summary="Upload a picture",
    response_class=Response,
    responses={201: {"model": StoredPicture}},
    openapi_extra=body(raw_content(*PICTURE_TYPES, "application/octet-stream"), form_content("image")),
)
async def upload_image(collection: str, request: Request, gateway: GatewayParts) -> Response:
    """Stores a picture, checked by decoding, for items that name it: `{"image": {"blob": "<sha256>"}}`."""
    gateway.collections.get(collection)
    if is_form(request):
        data, _ = await read_form_picture(request, gateway.bodies)
    else:
        data = await read_raw_picture(request, gateway.bodies)
    reference = await gateway.pictures.store(data)
    return json_response(reference.model_dump(include={"sha256", "media_type", "width", "height", "bytes"}), 201)


@router.get(
    "/items/{item_id:path}/image",
    summary="The item's picture",
    response_class=Response,
    responses={200: {"content": raw_content(*PICTURE_TYPES)}},
)
async def item_image(
    collection: str,
    item_id: PathItemId,
    request: Request,
    gateway: GatewayParts,
    _version: Annotated[str, Query(alias="v", description="Start of its sha256; the answer may then be kept")] = "",
) -> Response:
    """The file as it was uploaded. Takes `Range` and `If-None-Match`."""
    image = await _stored_image(gateway, collection, item_id)
    return await picture_answer(
        request, gateway.blobs, sha256=image["sha256"], media_type=image["media_type"], filename=image["filename"]
    )


@router.get(
    "/items/{item_id:path}/thumbnail",
    summary="A small copy of the item's picture",
    response_class=Response,
    responses={200: {"content": raw_content("image/webp")}},
)
async def item_thumbnail(
    collection: str,
    item_id: PathItemId,
    request: Request,
    gateway: GatewayParts,
    size: Annotated[int, Query(ge=16, le=1024, description="Longer side in pixels, rounded up to a power of 2")] = 256,
    _version: Annotated[str, Query(alias="v", description="Start of its sha256; the answer may then be kept")] = "",
) -> Response:
    """Upright WebP; made when first asked for."""
    image = await _stored_image(gateway, collection, item_id)
    rounded = nearest_size(size)
    thumbnail = await gateway.thumbnails.get(image["sha256"], rounded)
    return thumbnail_answer(request, thumbnail, sha256=image["sha256"], size=rounded)


async def _stored_image(gateway: Gateway, collection: str, item_id: str) -> ImageDocument:
    index = gateway.collections.answering(collection)
    stored = await ask(gateway.searcher.get_item(index.name, item_id), index)
    if stored is None:
        raise NotFoundError(f"there is no searchable item {item_id!r} in collection {collection!r}")
    image: ImageDocument | None = orjson.loads(stored.document).get("image")
    if image is None:
        raise NotFoundError(f"item {item_id!r} of collection {collection!r} has no picture")
    return image
