"""Items: put, list, get, delete, and how far they have come."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from sightwire.contracts.events import ItemState, ItemStatus
from sightwire.errors import InvalidFilterError, InvalidInputError, NotFoundError
from sightwire.v1 import searcher_pb2
from sightwire_gateway.answers import base_url_of, json_response
from sightwire_gateway.bodies import parse_json
from sightwire_gateway.documentation import body, form_content, json_content, model_part
from sightwire_gateway.documents import picture_sha256, picture_urls, public_item, with_members
from sightwire_gateway.gateway import Gateway, GatewayParts
from sightwire_gateway.index_search import ask
from sightwire_gateway.ingest import Accepted
from sightwire_gateway.item_requests import AcceptedItem, ItemRequest
from sightwire_gateway.paths import PathItemId, item_path
from sightwire_gateway.query_plan import plan_filter
from sightwire_gateway.search_answers import ItemAnswer
from sightwire_gateway.sse import status_events
from sightwire_gateway.uploads import is_form, read_form
from sightwire_gateway.users_names import errors_in_users_words
from sightwire_gateway.waiting import known_status, wait_until_final

router = APIRouter(prefix="/v1/collections/{collection}", tags=["items"])
#: Routes of a whole item, to be added after all those of its parts: an id may hold slashes, so that these match all.
whole_items = APIRouter(prefix="/v1/collections/{collection}", tags=["items"])

_MAX_FOLLOWED_ITEMS = 1000

Wait = Annotated[
    Literal["searchable", "deleted"] | None,
    Query(description="Answer only when the item is searchable (or deleted): 200 with its status, 504 if not in time"),
]
WaitSeconds = Annotated[float, Query(alias="timeout", gt=0, description="How long `wait` waits, in seconds")]


class ItemPage(BaseModel):
    """Items in a stable order."""

    items: list[ItemAnswer]
    next_cursor: str | None = None
    manifest_version: int


class ItemWithStatus(ItemAnswer):
    """An item as it is searchable now, and the status of its last put."""

    status: ItemStatus | None = None


@router.post(
    "/items",
    status_code=202,
    summary="Put an item",
    response_class=Response,
    responses={202: {"model": AcceptedItem}, 200: {"model": ItemStatus, "description": "With `wait`: searchable"}},
    openapi_extra=body(json_content(ItemRequest), form_content("image", item=model_part(ItemRequest))),
)
async def put_item(
    collection: str, request: Request, gateway: GatewayParts, wait: Wait = None, seconds: WaitSeconds = 30.0
) -> Response:
    """A new item, or a new version of one. The answer means that it is safely stored; `wait=searchable` waits on.

    JSON, or a form with the picture's file in the part `image` and the JSON in the part `item`.
    """
    record = gateway.collections.get(collection)
    if is_form(request):
        form = await read_form(request, gateway.bodies, document_part="item")
        item = parse_json(form.document or b"{}", ItemRequest)
        if form.picture is not None and item.image is not None:
            raise InvalidInputError("the picture comes either in the part 'image' or as 'image' of the item, not both")
        event = await gateway.ingest.prepare(record, item, picture=form.picture, filename=form.filename)
    else:
        item = await gateway.bodies.read_json(request, ItemRequest)
        event = await gateway.ingest.prepare(record, item)
    accepted = await gateway.ingest.put(collection, event)
    return await _answer_accepted(gateway, collection, accepted, wait, seconds)


@router.get("/items", summary="List items", response_class=Response, responses={200: {"model": ItemPage}})
async def list_items(
    collection: str,
    request: Request,
    gateway: GatewayParts,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str, Query(max_length=2000)] = "",
    filter: Annotated[str | None, Query(description="A filter as JSON", examples=['{"tags_any": ["cat"]}'])] = None,
) -> Response:
    index = gateway.collections.answering(collection)
    with errors_in_users_words(index):
        wanted = plan_filter(index, _decoded_filter(filter))
    # A cursor is a place in the order of ids, which every index of a collection has.
    response = await ask(
        gateway.searcher.list_items(
            searcher_pb2.ListItemsRequest(collection=index.name, limit=limit, page_token=cursor, filter=wanted)
        ),
        index,
    )
    base_url = base_url_of(request, gateway.settings.gateway_public_url)
    answer: dict[str, Any] = {
        "items": [
            public_item(item.document, base_url=base_url, collection=collection, item_id=item.item_id)
            for item in response.items
        ],
        "manifest_version": response.manifest_version,
    }
    if response.next_page_token:
        answer["next_cursor"] = response.next_page_token
    return json_response(answer)


@router.get("/events", summary="Follow several items", response_class=Response)
async def follow_items(
    collection: str,
    gateway: GatewayParts,
    ids: Annotated[str, Query(description="Ids separated by commas", examples=["a,b"])] = "",
    item_id: Annotated[
        list[str] | None, Query(alias="id", description="An id; may be repeated, may hold commas")
    ] = None,
) -> Response:
    """Server-sent events `status`, one for each change, until all items are final; then one event `end`."""
    gateway.collections.get(collection)
    wanted = list(dict.fromkeys([*(part.strip() for part in ids.split(",") if part.strip()), *(item_id or [])]))
    if not 1 <= len(wanted) <= _MAX_FOLLOWED_ITEMS:
        raise InvalidInputError(f"1 to {_MAX_FOLLOWED_ITEMS} ids can be followed at once, got {len(wanted)}")
    return status_events(gateway.statuses, collection, wanted, stopping=gateway.stopping)


@router.get(
    "/items/{item_id:path}/status",
    summary="How far an item has come",
    response_class=Response,
    responses={200: {"model": ItemStatus}},
)
async def item_status(collection: str, item_id: PathItemId, gateway: GatewayParts) -> Response:
    gateway.collections.get(collection)
    return _status_response(await known_status(gateway.statuses, collection, item_id))


@router.get("/items/{item_id:path}/events", summary="Follow an item", response_class=Response)
async def follow_item(collection: str, item_id: PathItemId, gateway: GatewayParts) -> Response:
    """Server-sent events `status`, one for each change, until the item is final; then one event `end`."""
    gateway.collections.get(collection)
    await known_status(gateway.statuses, collection, item_id)
    return status_events(gateway.statuses, collection, [item_id], stopping=gateway.stopping)


@whole_items.get(
    "/items/{item_id:path}",
    summary="Get an item",
    response_class=Response,
    responses={200: {"model": ItemWithStatus}},
)
async def get_item(collection: str, item_id: PathItemId, request: Request, gateway: GatewayParts) -> Response:
    """The item as it is searchable now, and the status of its last put."""
    index = gateway.collections.answering(collection)
    stored = await ask(gateway.searcher.get_item(index.name, item_id), index)
    status = await gateway.statuses.get(collection, item_id)
    if stored is None:
        raise NotFoundError(_why_absent(collection, item_id, status))
    members: dict[str, Any] = {}
    sha256 = picture_sha256(stored.document)
    if sha256 is not None:
        base_url = base_url_of(request, gateway.settings.gateway_public_url)
        members["image_url"], members["thumbnail_url"] = picture_urls(base_url, collection, item_id, sha256)
    if status is not None:
        members["status"] = status.model_dump(mode="json", exclude_none=True)
    return Response(with_members(stored.document, members), media_type="application/json")


@whole_items.delete(
    "/items/{item_id:path}",
    status_code=202,
    summary="Delete an item",
    response_class=Response,
    responses={202: {"model": AcceptedItem}, 200: {"model": ItemStatus, "description": "With `wait`: deleted"}},
)
async def delete_item(
    collection: str, item_id: PathItemId, gateway: GatewayParts, wait: Wait = None, seconds: WaitSeconds = 30.0
) -> Response:
    """Deletes an item. The answer means that the deletion is safely stored; `wait=deleted` waits until it shows."""
    gateway.collections.get(collection)
    accepted = await gateway.ingest.delete(collection, item_id)
    return await _answer_accepted(gateway, collection, accepted, wait, seconds)


async def _answer_accepted(
    gateway: Gateway, collection: str, accepted: Accepted, wait: str | None, seconds: float
) -> Response:
    status_url = item_path(collection, accepted.id, "status")
    if wait is None:
        answer = {
            "id": accepted.id,
            "version": accepted.version,
            "status": ItemState.ACCEPTED.value,
            "collection": collection,
            "status_url": status_url,
        }
        return json_response(answer, 202, {"location": status_url})
    status = await wait_until_final(
        gateway.statuses,
        collection,
        accepted.id,
        version=accepted.version,
        seconds=min(seconds, gateway.settings.gateway_max_wait_seconds),
    )
    return _status_response(status)


def _status_response(status: ItemStatus) -> Response:
    return Response(status.model_dump_json(exclude_none=True), media_type="application/json")


def _decoded_filter(text: str | None) -> object | None:
    if text is None:
        return None
    try:
        decoded: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidFilterError(f"the filter is not JSON: {error}") from None
    return decoded


def _why_absent(collection: str, item_id: str, status: ItemStatus | None) -> str:
    if status is None:
        return f"there is no item {item_id!r} in collection {collection!r}"
    if status.state is ItemState.DELETED:
        return f"item {item_id!r} of collection {collection!r} was deleted"
    if status.state is ItemState.FAILED:
        return f"item {item_id!r} of collection {collection!r} failed: {status.reason}"
    return f"item {item_id!r} of collection {collection!r} is {status.state.value}, but not searchable yet"
