"""Models: register, list, annotate, compare, deprecate."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sightwire.contracts.events import Tag
from sightwire.contracts.model_control import (
    AnnotateModel,
    CompareModels,
    DeprecateModel,
    ListModels,
    ModelList,
    ModelReference,
    ModelRegistration,
    ReadLineage,
    ReadModel,
    RegisteredModel,
    RegisterModel,
)
from sightwire.contracts.models import AliasName, ModelComparison, ModelName, ModelNotes
from sightwire.contracts.names import SpaceName
from sightwire_gateway.answers import model_response
from sightwire_gateway.callers import RequestCaller
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.model_requests import DeprecateCommand, RegisterCommand

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.post(
    "",
    status_code=201,
    summary="Register a bundle",
    response_class=Response,
    responses={201: {"model": ModelRegistration}, 200: {"model": ModelRegistration, "description": "It was already"}},
    openapi_extra=body(json_content(RegisterCommand)),
)
async def register_model(request: Request, gateway: GatewayParts, caller: RequestCaller) -> Response:
    """Verifies every file, keeps copies, and registers the version; the same bundle again changes nothing."""
    command = await gateway.bodies.read_json(request, RegisterCommand)
    asked = RegisterModel(
        bundle=command.bundle,
        notes=command.notes,
        lineage=command.lineage,
        by=caller.name,
        expected_sha256=command.expected_sha256,
    )
    # It takes as long as copying the bundle does.
    seconds = gateway.settings.gateway_max_wait_seconds
    registration = await gateway.orchestrator.ask_models(asked, ModelRegistration, timeout=seconds)
    location = f"/v1/models/{registration.model.id}"
    return model_response(registration, 201 if registration.is_new else 200, location=location)


@router.get("", summary="List models", response_class=Response, responses={200: {"model": ModelList}})
async def list_models(
    gateway: GatewayParts,
    name: ModelName | None = None,
    space: SpaceName | None = None,
    tag: Tag | None = None,
    alias: AliasName | None = None,
    with_deprecated: bool = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> Response:
    """Versions by name, the newest of each first."""
    wanted = ListModels(
        name=name, space=space, tag=tag, alias=alias, with_deprecated=with_deprecated, limit=limit, cursor=cursor
    )
    return model_response(await gateway.orchestrator.ask_models(wanted, ModelList))


@router.get("/{model}", summary="Get a model", response_class=Response, responses={200: {"model": RegisteredModel}})
async def get_model(model: ModelReference, gateway: GatewayParts) -> Response:
    """NAME, NAME:VERSION or NAME@ALIAS; a name alone means its alias `default`, without one the newest version."""
    return model_response(await gateway.orchestrator.ask_models(ReadModel(model=model), RegisteredModel))


@router.get(
    "/{model}/lineage",
    summary="What a model was made from",
    response_class=Response,
    responses={200: {"model": ModelList}},
)
async def get_lineage(model: ModelReference, gateway: GatewayParts) -> Response:
    """The version, the one that it was made from, and so on to the first one."""
    return model_response(await gateway.orchestrator.ask_models(ReadLineage(model=model), ModelList))


@router.get(
    "/{before}/compare/{after}",
    summary="Compare two models",
    response_class=Response,
    responses={200: {"model": ModelComparison}},
)
async def compare_models(before: ModelReference, after: ModelReference, gateway: GatewayParts) -> Response:
    """What differs: figures, configuration, files."""
    asked = CompareModels(before=before, after=after)
    return model_response(await gateway.orchestrator.ask_models(asked, ModelComparison))


@router.put(
    "/{model}/notes",
    summary="Annotate a model",
    response_class=Response,
    responses={200: {"model": RegisteredModel}},
    openapi_extra=body(json_content(ModelNotes)),
)
async def annotate_model(
    model: ModelReference,
    request: Request,
    gateway: GatewayParts,
    expected_revision: Annotated[
        int | None, Query(ge=1, description="Refused when the version was changed since it had this revision")
    ] = None,
) -> Response:
    """Tags, metadata and figures; what is left out is removed."""
    notes = await gateway.bodies.read_json(request, ModelNotes)
    asked = AnnotateModel(model=model, notes=notes, expected_revision=expected_revision)
    return model_response(await gateway.orchestrator.ask_models(asked, RegisteredModel))


@router.post(
    "/{model}/deprecate",
    summary="Deprecate a model",
    response_class=Response,
    responses={200: {"model": RegisteredModel}},
    openapi_extra=body(json_content(DeprecateCommand)),
)
async def deprecate_model(
    model: ModelReference, request: Request, gateway: GatewayParts, caller: RequestCaller
) -> Response:
    """It gets no alias any more, and can still be fetched. Refused while an alias means it."""
    command = await gateway.bodies.read_json(request, DeprecateCommand)
    asked = DeprecateModel(model=model, reason=command.reason, replacement=command.replacement, by=caller.name)
    return model_response(await gateway.orchestrator.ask_models(asked, RegisteredModel))
