"""Who answers here, and how it is."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from sightwire import __version__
from sightwire.cache.accounting import CachesAccounting
from sightwire.contracts.execution_metrics import ControlPlaneHealth
from sightwire.service.operations import reload_action
from sightwire.telemetry.metrics import METRICS_CONTENT_TYPE, render_metrics
from sightwire_gateway.answers import json_response, model_response
from sightwire_gateway.gateway import GatewayParts

router = APIRouter(tags=["operations"])


class ServiceAnswer(BaseModel):
    """Who answers."""

    service: str = Field(examples=["sightwire"])
    status: str = Field(examples=["running"])
    version: str


class HealthAnswerModel(BaseModel):
    """State of each part: healthy (or loaded), disabled in this deployment, or unhealthy and why."""

    triton: str = Field(examples=["disabled"])
    opensearch: str = Field(examples=["disabled"])
    tokenizer: str = Field(examples=["loaded"])
    redis: str = Field(examples=["disabled"])
    faiss: str = Field(examples=["healthy"])
    nats: str = Field(examples=["healthy"])


class StatusAnswer(BaseModel):
    """The deployment in short."""

    version: str
    services: dict[str, str] = Field(examples=[{"nats": "healthy", "searcher": "healthy", "embedder": "healthy"}])
    collections: int
    default_collection: str
    draining: bool


@router.get("/", summary="Who answers", response_class=Response, responses={200: {"model": ServiceAnswer}})
async def root(gateway: GatewayParts) -> Response:
    status = "draining" if gateway.health.is_draining else "running"
    return json_response({"service": "sightwire", "status": status, "version": __version__})


@router.get(
    "/health",
    summary="Health of each part",
    response_class=Response,
    responses={200: {"model": HealthAnswerModel}, 503: {"model": HealthAnswerModel}},
)
async def health(gateway: GatewayParts) -> Response:
    """200 while searches can be answered, else 503."""
    answer = await gateway.health.check()
    return json_response(answer.parts, 200 if answer.can_search else 503)


@router.get(
    "/v1/health",
    summary="Health of the control plane",
    response_class=Response,
    responses={200: {"model": ControlPlaneHealth}},
)
async def control_plane_health(gateway: GatewayParts) -> Response:
    """How each pipeline, each model of embedders, the cache of results and the reviewers are, and why."""
    return model_response(await gateway.pipelines.health())


@router.get("/livez", summary="Whether the process lives", response_class=Response)
async def live() -> Response:
    return json_response({"status": "alive"})


@router.get("/readyz", summary="Whether requests should come", response_class=Response)
async def ready(gateway: GatewayParts) -> Response:
    """200 while searches can be answered and the gateway is not stopping, else 503 and what is wrong."""
    answer = await gateway.health.check()
    checks: dict[str, str | None] = {
        name: state if state.startswith("unhealthy") else None for name, state in answer.parts.items()
    }
    if gateway.health.is_draining:
        checks["draining"] = "the service is stopping"
    is_ready = answer.can_search and not gateway.health.is_draining
    return json_response({"status": "ready" if is_ready else "not ready", "checks": checks}, 200 if is_ready else 503)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def metrics() -> Response:
    return Response(render_metrics(), media_type=METRICS_CONTENT_TYPE)


@router.get(
    "/metrics/cache_accounting",
    summary="What the caches did, exactly",
    response_class=Response,
    responses={200: {"model": CachesAccounting}},
)
async def cache_accounting(gateway: GatewayParts) -> Response:
    """All caches together and each by itself; of all gateways where they share a server that answers."""
    return model_response(await gateway.caches.accounting())


# Whoever may ask for anything may ask for this: it reads a file that only the machine's owner writes.
@router.post("/-/reload", include_in_schema=False)
async def reload(gateway: GatewayParts) -> Response:
    """Reads the settings again; the answer says what changed, or what is wrong."""
    content, media_type, status_code = await reload_action(gateway.configuration)()
    return Response(content, status_code, media_type=media_type)


@router.get(
    "/v1/status", summary="The deployment in short", response_class=Response, responses={200: {"model": StatusAnswer}}
)
async def status(gateway: GatewayParts) -> Response:
    parts = (await gateway.health.check()).parts
    return json_response(
        {
            "version": __version__,
            "services": {
                "nats": parts["nats"],
                "searcher": parts["faiss"],
                "embedder": parts["tokenizer"].replace("loaded", "healthy"),
            },
            "collections": gateway.collections.count(),
            "default_collection": gateway.settings.gateway_default_collection,
            "draining": gateway.health.is_draining,
        }
    )
