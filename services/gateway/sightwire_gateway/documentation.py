"""OpenAPI: bodies that routes read themselves, problem documents, and the schemas of both."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from sightwire.contracts.alerts import AlertRule
from sightwire.contracts.collections import CollectionSpec
from sightwire.contracts.filters import Filter
from sightwire.contracts.migration_plans import MigrationPlan
from sightwire.contracts.models import ModelNotes
from sightwire.contracts.reviews import Reviewer
from sightwire.contracts.schedules import ScheduleSpec
from sightwire_gateway.alert_requests import SilenceCommand
from sightwire_gateway.clicks import ClickRequest
from sightwire_gateway.index_requests import OperationCommand, PruneRequest, RestoreRequest
from sightwire_gateway.item_requests import BatchRequest, ItemRequest
from sightwire_gateway.migration_requests import RollBackMigrationCommand
from sightwire_gateway.model_requests import AliasCommand, DeprecateCommand, RegisterCommand, RollBackCommand
from sightwire_gateway.pipeline_requests import RunCommand
from sightwire_gateway.predict_requests import PredictRequest
from sightwire_gateway.problems import PROBLEM_CONTENT_TYPE, Problem
from sightwire_gateway.review_requests import CommentCommand, DecisionCommand, DelegateCommand, ReassignCommand
from sightwire_gateway.search_requests import SearchRequest
from sightwire_gateway.training_requests import TrainingCommand
from sightwire_gateway.visual_results import HybridRequest

_REFERENCE: Final = "#/components/schemas/{model}"
#: Models of bodies that routes read without the framework, so that it does not know them.
_OWN_MODELS: Final[tuple[type[BaseModel], ...]] = (
    AlertRule,
    AliasCommand,
    BatchRequest,
    ClickRequest,
    CollectionSpec,
    CommentCommand,
    DecisionCommand,
    DelegateCommand,
    DeprecateCommand,
    Filter,
    HybridRequest,
    ItemRequest,
    MigrationPlan,
    ModelNotes,
    OperationCommand,
    PredictRequest,
    Problem,
    PruneRequest,
    ReassignCommand,
    RegisterCommand,
    RestoreRequest,
    Reviewer,
    RollBackCommand,
    RollBackMigrationCommand,
    RunCommand,
    ScheduleSpec,
    SearchRequest,
    SilenceCommand,
    TrainingCommand,
)
_FILE: Final = {"type": "string", "format": "binary", "description": "A picture file"}

#: For `responses` of the application: every error is a problem document.
PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "Problem document (RFC 9457)",
        "content": {PROBLEM_CONTENT_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
    }
}


def json_content(model: type[BaseModel]) -> dict[str, Any]:
    """A body of `model`, for `body`."""
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}


def form_content(*required: str, **parts: dict[str, Any]) -> dict[str, Any]:
    """A multipart form with an `image` file and other parts, for `body`."""
    schema = {"type": "object", "properties": {"image": _FILE, **parts}, "required": list(required)}
    return {"multipart/form-data": {"schema": schema}}


def model_part(model: type[BaseModel]) -> dict[str, Any]:
    """A form's part that is JSON of `model`."""
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def raw_content(*media_types: str) -> dict[str, Any]:
    """A body of plain bytes."""
    return {media_type: {"schema": _FILE} for media_type in media_types}


def text_content(media_type: str) -> dict[str, Any]:
    """A body of text, for `body`."""
    return {media_type: {"schema": {"type": "string"}}}


def body(*contents: dict[str, Any]) -> dict[str, Any]:
    """`openapi_extra` of a route whose body is one of `contents`."""
    merged = {media_type: content for part in contents for media_type, content in part.items()}
    return {"requestBody": {"required": True, "content": merged}}


def install_openapi(app: FastAPI) -> None:
    """Makes `/openapi.json` complete."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        _, definitions = models_json_schema(
            [(model, "validation") for model in _OWN_MODELS], ref_template=_REFERENCE, by_alias=True
        )
        components = document.setdefault("components", {})
        schemas: dict[str, Any] = definitions.get("$defs", {})
        components["schemas"] = {**schemas, **components.get("schemas", {})}
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        # Either key, or none where the deployment asks for none.
        document["security"] = [{}, {"bearer": []}, {"key": []}]
        app.openapi_schema = document
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way
