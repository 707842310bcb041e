"""Clicks on results."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from sightwire_gateway.clicks import ClickRequest
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts

router = APIRouter(prefix="/v1/collections/{collection}", tags=["search"])


@router.post(
    "/clicks",
    status_code=204,
    summary="Tell that a result was chosen",
    response_class=Response,
    openapi_extra=body(json_content(ClickRequest)),
)
async def tell_click(collection: str, request: Request, gateway: GatewayParts) -> Response:
    """Compares models by what people choose while a new one answers a share of the queries. Kept nowhere."""
    record = gateway.collections.get(collection)
    await gateway.clicks.tell(record.name, await gateway.bodies.read_json(request, ClickRequest))
    return Response(status_code=204)
