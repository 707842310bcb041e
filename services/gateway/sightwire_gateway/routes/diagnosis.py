"""What the doctor finds."""

from fastapi import APIRouter
from starlette.responses import Response

from sightwire.contracts.diagnosis import PlatformDiagnosis
from sightwire_gateway.answers import model_response
from sightwire_gateway.gateway import GatewayParts

router = APIRouter(tags=["index"])


@router.get(
    "/v1/diagnosis",
    summary="Look for problems",
    response_class=Response,
    responses={200: {"model": PlatformDiagnosis}},
)
async def diagnose(gateway: GatewayParts) -> Response:
    """Findings about the platform, and about each collection by the indexer that owns it, each with what to do."""
    return model_response(await gateway.doctor.diagnose())
