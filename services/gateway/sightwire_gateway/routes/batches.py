"""Many items at once."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from sightwire.errors import TooLargeError
from sightwire_gateway.answers import json_response
from sightwire_gateway.batches import CHUNK_ITEMS, BatchIngest, lines_of
from sightwire_gateway.bodies import media_type_of
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import Gateway, GatewayParts
from sightwire_gateway.item_requests import BatchRequest, BatchResult

router = APIRouter(prefix="/v1/collections/{collection}", tags=["items"])

_NDJSON = ("application/x-ndjson", "application/jsonl", "application/ndjson")
_NDJSON_CONTENT = {_NDJSON[0]: {"schema": {"type": "string", "description": "One item as JSON on each line"}}}


@router.post(
    "/items:batch",
    status_code=202,
    summary="Put many items",
    response_class=Response,
    responses={202: {"model": BatchResult}},
    openapi_extra=body(json_content(BatchRequest), _NDJSON_CONTENT),
)
async def put_batch(collection: str, request: Request, gateway: GatewayParts) -> Response:
    """Each item is accepted or refused on its own. NDJSON is taken as it arrives, and may be much longer than JSON."""
    batch = BatchIngest(gateway.ingest, gateway.collections.get(collection))
    if media_type_of(request) in _NDJSON:
        await _take_lines(request, gateway, batch)
    else:
        items = (await gateway.bodies.read_json(request, BatchRequest)).items
        limit = gateway.settings.gateway_max_batch_items
        if len(items) > limit:
            raise TooLargeError(f"a JSON batch may have {limit} items, got {len(items)}; send {_NDJSON[0]} for more")
        for start in range(0, len(items), CHUNK_ITEMS):
            await batch.take(items[start : start + CHUNK_ITEMS])
    batch.outcome.failed.sort(key=lambda failed: failed["index"])
    return json_response({"accepted": batch.outcome.accepted, "failed": batch.outcome.failed}, 202)


async def _take_lines(request: Request, gateway: Gateway, batch: BatchIngest) -> None:
    settings = gateway.settings
    chunks = gateway.bodies.stream(request, None, what="NDJSON batch", seconds=settings.gateway_stream_seconds)
    waiting: list[bytes] = []
    count = 0
    async for line in lines_of(chunks, max_line_bytes=settings.gateway_max_json_bytes):
        count += 1
        if count > settings.gateway_max_stream_items:
            raise TooLargeError(
                f"an NDJSON batch may have {settings.gateway_max_stream_items} items; those up to there are accepted"
            )
        waiting.append(line)
        if len(waiting) == CHUNK_ITEMS:
            await batch.take(waiting)
            waiting = []
    await batch.take(waiting)
