"""The routes that clients of product similarity call: compare texts; load models, and switch between them."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from sightwire.contracts.model_control import (
    ListServedModels,
    LoadModel,
    ServedModel,
    ServedModels,
    SwitchModel,
    UnloadModel,
)
from sightwire.contracts.models import ModelId, ModelName
from sightwire_gateway.answers import model_response
from sightwire_gateway.callers import RequestCaller
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.predict_requests import PredictAnswer, PredictRequest
from sightwire_gateway.served_models import find_served, switched_to

router = APIRouter(tags=["product similarity"])

_SERVED = "/v1/served-models"


@router.post(
    "/predict",
    summary="Descriptions for queries",
    response_class=Response,
    responses={200: {"model": PredictAnswer}},
    openapi_extra=body(json_content(PredictRequest)),
)
async def predict(request: Request, gateway: GatewayParts) -> Response:
    """For each query the descriptions ranked by cosine similarity, as the default model of the embedders sees it."""
    wanted = await gateway.bodies.read_json(request, PredictRequest)
    return Response(await gateway.similarity.predict(wanted, gateway.settings), media_type="application/json")


@router.post(
    "/load-model",
    status_code=202,
    summary="Load a model",
    response_class=Response,
    responses={202: {"model": ServedModel}},
    openapi_extra=body(json_content(ModelId)),
)
async def load_model(request: Request, gateway: GatewayParts, caller: RequestCaller) -> Response:
    """Has every embedder fetch, verify and load a registered model in the background, beside those that answer. The
    address in `location` tells how far they are."""
    model = await gateway.bodies.read_json(request, ModelId)
    served = await gateway.orchestrator.ask_models(LoadModel(model=str(model), by=caller.name), ServedModel)
    return model_response(served, 202, location=f"{_SERVED}/{model.name}/{model.version}")


@router.post(
    "/switch-model",
    summary="Switch to a loaded model",
    response_class=Response,
    responses={200: {"model": ServedModel}},
    openapi_extra=body(json_content(ModelId)),
)
async def switch_model(request: Request, gateway: GatewayParts, caller: RequestCaller) -> Response:
    """Makes a loaded model the one that `/predict` and others mean who name none. Refused unless every embedder serves
    it, so that no request fails in between. Collections keep the model that they have: `sightwire models migrate`."""
    model = await gateway.bodies.read_json(request, ModelId)
    served = await gateway.orchestrator.ask_models(ListServedModels(), ServedModels)
    asked = SwitchModel(model=switched_to(served, model), by=caller.name)
    return model_response(find_served(await gateway.orchestrator.ask_models(asked, ServedModels), model))


@router.get(_SERVED, summary="Models of embedders", response_class=Response, responses={200: {"model": ServedModels}})
async def list_served(gateway: GatewayParts) -> Response:
    """What embedders serve, and what they are to serve."""
    return model_response(await gateway.orchestrator.ask_models(ListServedModels(), ServedModels))


@router.get(
    _SERVED + "/{name}/{version}",
    summary="How far embedders are with a model",
    response_class=Response,
    responses={200: {"model": ServedModel}},
)
async def get_served(name: ModelName, version: ModelName, gateway: GatewayParts) -> Response:
    served = await gateway.orchestrator.ask_models(ListServedModels(), ServedModels)
    return model_response(find_served(served, ModelId(name=name, version=version)))


@router.delete(
    _SERVED + "/{name}/{version}",
    summary="Unload a model",
    response_class=Response,
    responses={200: {"model": ServedModels}},
)
async def unload_model(name: ModelName, version: ModelName, gateway: GatewayParts) -> Response:
    """The models that remain. Refused while it is the default, or while a collection has vectors of its space."""
    asked = UnloadModel(model=f"{name}:{version}")
    return model_response(await gateway.orchestrator.ask_models(asked, ServedModels))
