"""Schedules: operations on the index behind a collection that are repeated."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from sightwire.contracts.control import ActOnSchedule, PutSchedule, ReadCalendar
from sightwire.contracts.schedules import Calendar, ScheduleName, ScheduleRecord, ScheduleSpec
from sightwire.errors import NotFoundError
from sightwire_gateway.answers import json_response
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.users_names import in_users_words

router = APIRouter(prefix="/v1/collections/{collection}/schedules", tags=["index"])


class ScheduleList(BaseModel):
    """Schedules by name."""

    schedules: list[ScheduleRecord]


@router.get("", summary="List schedules", response_class=Response, responses={200: {"model": ScheduleList}})
async def list_schedules(collection: str, gateway: GatewayParts) -> Response:
    records = await gateway.schedules.list(gateway.collections.get(collection))
    index = gateway.collections.answering(collection)
    shown = [in_users_words(record.model_dump(mode="json"), index) for record in records]
    return json_response({"schedules": sorted(shown, key=lambda schedule: schedule["name"])})


@router.get("/{name}", summary="Get a schedule", response_class=Response, responses={200: {"model": ScheduleRecord}})
async def get_schedule(collection: str, name: ScheduleName, gateway: GatewayParts) -> Response:
    """The schedule with its last runs."""
    record = await gateway.schedules.get(gateway.collections.get(collection), name)
    if record is None:
        raise NotFoundError(f"there is no schedule {name!r} of collection {collection!r}")
    return json_response(in_users_words(record.model_dump(mode="json"), gateway.collections.answering(collection)))


@router.put(
    "/{name}",
    summary="Make or change a schedule",
    response_class=Response,
    responses={200: {"model": ScheduleRecord}},
    openapi_extra=body(json_content(ScheduleSpec)),
)
async def put_schedule(collection: str, name: ScheduleName, request: Request, gateway: GatewayParts) -> Response:
    gateway.collections.get(collection)
    spec = await gateway.bodies.read_json(request, ScheduleSpec)
    return json_response(await gateway.owners.ask_about_schedules(collection, PutSchedule(name=name, spec=spec)))


@router.delete("/{name}", status_code=204, summary="Forget a schedule")
async def delete_schedule(collection: str, name: ScheduleName, gateway: GatewayParts) -> Response:
    """What it began runs on."""
    await gateway.owners.ask_about_schedules(collection, ActOnSchedule(name=name, action="delete", trigger="api"))
    return Response(status_code=204)


@router.post(
    "/{name}/{action}",
    summary="Run, pause or resume a schedule",
    response_class=Response,
    responses={200: {"model": ScheduleRecord}},
)
async def act_on_schedule(
    collection: str,
    name: ScheduleName,
    action: Literal["run", "pause", "resume"],
    gateway: GatewayParts,
    trigger: Annotated[Literal["api", "cli"], Query(description="Who is recorded to have asked")] = "api",
) -> Response:
    """`run` runs it now, whatever its calendar says; `resume` forgets its failures."""
    request = ActOnSchedule(name=name, action=action, trigger=trigger)
    return json_response(await gateway.owners.ask_about_schedules(collection, request))


@router.get(
    "/{name}/calendar", summary="Past and next runs", response_class=Response, responses={200: {"model": Calendar}}
)
async def read_calendar(
    collection: str,
    name: ScheduleName,
    gateway: GatewayParts,
    upcoming: Annotated[int, Query(ge=0, le=1000, description="How many of the next runs")] = 10,
) -> Response:
    return json_response(
        await gateway.owners.ask_about_schedules(collection, ReadCalendar(name=name, upcoming=upcoming))
    )
