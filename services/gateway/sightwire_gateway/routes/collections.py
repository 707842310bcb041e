"""Collections: create, list, describe, delete."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from sightwire.contracts.collections import Canary, CollectionSpec
from sightwire.contracts.names import FIRST_GENERATION
from sightwire_gateway.answers import json_response
from sightwire_gateway.collection_records import public_record
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts

router = APIRouter(prefix="/v1/collections", tags=["collections"])


class CollectionAnswer(CollectionSpec):
    """A collection: its specification and what the platform added."""

    uid: str = Field(description="Changes when a deleted name is created again")
    created_at: datetime
    space: str = Field(description="Space of the platform's vectors that answer, named by the model bundle")
    generation: str
    class_names: list[str] = Field(description="What the bundle's detector knows")
    shadows: list[str] | None = Field(
        default=None, description="Its indexes in the spaces of other models, if there are any"
    )
    answering: str | None = Field(default=None, description="The one of them that answers; null: its first index does")
    canary: Canary | None = Field(default=None, description="The one that answers a share of the queries")


class CollectionDescription(CollectionAnswer):
    """A collection and what is in it."""

    items: int
    segments: int
    manifest_version: int
    resident_bytes: int
    disk_bytes: int


class CollectionSummary(BaseModel):
    """A collection in short. `items` and `manifest_version` are null while the searcher does not answer."""

    name: str
    description: str
    created_at: datetime
    items: int | None
    manifest_version: int | None


class CollectionList(BaseModel):
    """All collections by name."""

    collections: list[CollectionSummary]


@router.post(
    "",
    status_code=201,
    summary="Create a collection",
    response_class=Response,
    responses={201: {"model": CollectionAnswer}},
    openapi_extra=body(json_content(CollectionSpec)),
)
async def create_collection(request: Request, gateway: GatewayParts) -> Response:
    spec = await gateway.bodies.read_json(request, CollectionSpec)
    record = await gateway.collections.create(spec)
    return json_response(
        public_record(record, record, FIRST_GENERATION), 201, {"location": f"/v1/collections/{record.name}"}
    )


@router.get("", summary="List collections", response_class=Response, responses={200: {"model": CollectionList}})
async def list_collections(gateway: GatewayParts) -> Response:
    collections: list[dict[str, Any]] = await gateway.collections.list()
    return json_response({"collections": collections})


@router.get(
    "/{collection}",
    summary="Describe a collection",
    response_class=Response,
    responses={200: {"model": CollectionDescription}},
)
async def describe_collection(collection: str, gateway: GatewayParts) -> Response:
    return json_response(await gateway.collections.describe(gateway.collections.get(collection)))


@router.delete("/{collection}", status_code=204, summary="Delete a collection and all its items")
async def delete_collection(collection: str, gateway: GatewayParts) -> Response:
    await gateway.collections.delete(collection)
    return Response(status_code=204)
