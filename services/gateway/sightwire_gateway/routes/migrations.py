"""Moves of collections to other models: begin, follow, undo."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sightwire.contracts.migration_control import (
    ListMigrations,
    MigrationList,
    MigrationReport,
    ReadMigration,
    RollBackMigration,
    StartMigration,
)
from sightwire.contracts.migration_plans import MigrationPlan
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.contracts.names import CollectionName
from sightwire.contracts.pipelines import RunId
from sightwire_gateway.answers import model_response
from sightwire_gateway.callers import RequestCaller
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.migration_requests import RollBackMigrationCommand

router = APIRouter(tags=["migrations"])


@router.post(
    "/v1/migrations",
    status_code=202,
    summary="Move a collection to another model",
    response_class=Response,
    responses={202: {"model": MigrationReport}},
    openapi_extra=body(json_content(MigrationPlan)),
)
async def start_migration(request: Request, gateway: GatewayParts) -> Response:
    """Begins a run of the pipeline `migrate-collection`. The collection answers as before until the new index has
    passed all gates; `POST /v1/runs/{run}/cancel` ends it before that and leaves nothing behind."""
    plan = await gateway.bodies.read_json(request, MigrationPlan)
    # What callers cannot see is none: shadows.
    gateway.collections.get(plan.collection)
    report = await gateway.orchestrator.ask_migrations(StartMigration(plan=plan), MigrationReport)
    return model_response(report, 202, location=f"/v1/migrations/{report.run.run}")


@router.get(
    "/v1/migrations", summary="List migrations", response_class=Response, responses={200: {"model": MigrationList}}
)
async def list_migrations(
    gateway: GatewayParts,
    collection: CollectionName | None = None,
    state: MigrationState | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """The newest first: how far they are, and what became of earlier ones. One whose model is still being loaded is not
    among them."""
    wanted = ListMigrations(collection=collection, state=state, limit=limit)
    return model_response(await gateway.orchestrator.ask_migrations(wanted, MigrationList))


@router.get(
    "/v1/migrations/{run}",
    summary="How a migration stands",
    response_class=Response,
    responses={200: {"model": MigrationReport}},
)
async def get_migration(run: RunId, gateway: GatewayParts) -> Response:
    """What is known of it, its steps, how long the filling takes, and what each gate saw."""
    return model_response(await gateway.orchestrator.ask_migrations(ReadMigration(run=run), MigrationReport))


@router.post(
    "/v1/collections/{collection}/rollback",
    summary="Go back from a migration",
    response_class=Response,
    responses={200: {"model": Migration}},
    openapi_extra=body(json_content(RollBackMigrationCommand)),
)
async def roll_back_migration(
    collection: CollectionName, request: Request, gateway: GatewayParts, caller: RequestCaller
) -> Response:
    """The index answers again that did before the last migration, at once; nothing that came in since is missing."""
    command = await gateway.bodies.read_json(request, RollBackMigrationCommand)
    gateway.collections.get(collection)
    asked = RollBackMigration(collection=collection, run=command.run, by=caller.name, reason=command.reason)
    return model_response(await gateway.orchestrator.ask_migrations(asked, Migration))
