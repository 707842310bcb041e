"""Reviews: what people are asked, what they say, how it goes against deadlines."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from sightwire.contracts.pipelines import RunId
from sightwire.contracts.review_control import (
    CommentReview,
    DecideReview,
    DelegateReview,
    ListReviews,
    ReadReview,
    ReadReviewStatistics,
    ReassignReview,
    ReviewDetails,
    ReviewPage,
)
from sightwire.contracts.reviews import Review, ReviewerId, ReviewStatistics, ReviewStatus, Specialization
from sightwire_gateway.answers import model_response
from sightwire_gateway.callers import RequestCaller
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.review_requests import CommentCommand, DecisionCommand, DelegateCommand, ReassignCommand

router = APIRouter(prefix="/v1/reviews", tags=["reviews"])

_Needed = Annotated[Specialization | None, Query(description="Only those that need it")]


@router.get("", summary="List reviews", response_class=Response, responses={200: {"model": ReviewPage}})
async def list_reviews(
    gateway: GatewayParts,
    status: Annotated[list[ReviewStatus] | None, Query(description="May be repeated")] = None,
    reviewer: Annotated[ReviewerId | None, Query(description="Who has it, or decided it")] = None,
    run: RunId | None = None,
    specialization: _Needed = None,
    asked_from: AwareDatetime | None = None,
    asked_before: AwareDatetime | None = None,
    deadline_before: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> Response:
    """Those asked for last first, without their data."""
    wanted = ListReviews(
        statuses=tuple(status or ()),
        reviewer=reviewer,
        run=run,
        specialization=specialization,
        asked_from=asked_from,
        asked_before=asked_before,
        deadline_before=deadline_before,
        limit=limit,
        cursor=cursor,
    )
    return model_response(await gateway.orchestrator.ask_reviews(wanted, ReviewPage))


@router.get(
    "/statistics", summary="How reviews went", response_class=Response, responses={200: {"model": ReviewStatistics}}
)
async def read_statistics(
    gateway: GatewayParts,
    reviewer: ReviewerId | None = None,
    specialization: _Needed = None,
    asked_from: AwareDatetime | None = None,
    asked_before: AwareDatetime | None = None,
) -> Response:
    """Reviews that were asked for in a time, against their deadlines."""
    asked = ReadReviewStatistics(
        reviewer=reviewer, specialization=specialization, asked_from=asked_from, asked_before=asked_before
    )
    return model_response(await gateway.orchestrator.ask_reviews(asked, ReviewStatistics))


@router.get("/{review}", summary="Get a review", response_class=Response, responses={200: {"model": ReviewDetails}})
async def get_review(review: str, gateway: GatewayParts) -> Response:
    """The review with its data, and the trail of all acts."""
    return model_response(await gateway.orchestrator.ask_reviews(ReadReview(review=review), ReviewDetails))


@router.post(
    "/{review}/decision",
    summary="Decide",
    response_class=Response,
    responses={200: {"model": Review}},
    openapi_extra=body(json_content(DecisionCommand)),
)
async def decide(review: str, request: Request, gateway: GatewayParts, caller: RequestCaller) -> Response:
    """Approves, rejects or asks for changes; the run goes on. Only the reviewer who has the review can. The same
    decision again changes nothing."""
    command = await gateway.bodies.read_json(request, DecisionCommand)
    asked = DecideReview(review=review, decision=command.decision_alone, actor=caller.deciding_as(command.by))
    return model_response(await gateway.orchestrator.ask_reviews(asked, Review))


@router.post(
    "/{review}/delegate",
    summary="Delegate",
    response_class=Response,
    responses={200: {"model": Review}},
    openapi_extra=body(json_content(DelegateCommand)),
)
async def delegate(review: str, request: Request, gateway: GatewayParts, caller: RequestCaller) -> Response:
    """Gives an open review to another reviewer, who must be there and have room for it."""
    command = await gateway.bodies.read_json(request, DelegateCommand)
    asked = DelegateReview(review=review, to=command.to, actor=caller.acting_as(command.by), comment=command.comment)
    return model_response(await gateway.orchestrator.ask_reviews(asked, Review))


@router.post(
    "/{review}/reassign",
    summary="Give to somebody else",
    response_class=Response,
    responses={200: {"model": Review}},
    openapi_extra=body(json_content(ReassignCommand)),
)
async def reassign(review: str, request: Request, gateway: GatewayParts, caller: RequestCaller) -> Response:
    """Gives an open review to whoever else suits best."""
    command = await gateway.bodies.read_json(request, ReassignCommand)
    asked = ReassignReview(review=review, actor=caller.acting_as(command.by), comment=command.comment)
    return model_response(await gateway.orchestrator.ask_reviews(asked, Review))


@router.post(
    "/{review}/comments",
    summary="Comment",
    response_class=Response,
    responses={200: {"model": Review}},
    openapi_extra=body(json_content(CommentCommand)),
)
async def comment(review: str, request: Request, gateway: GatewayParts, caller: RequestCaller) -> Response:
    """Adds a comment to the trail of an open review."""
    command = await gateway.bodies.read_json(request, CommentCommand)
    asked = CommentReview(review=review, actor=caller.acting_as(command.by), comment=command.comment)
    return model_response(await gateway.orchestrator.ask_reviews(asked, Review))
