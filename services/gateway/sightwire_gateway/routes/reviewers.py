"""Reviewers: who can be asked."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from sightwire.contracts.review_control import (
    DeactivateReviewer,
    ListReviewers,
    PutReviewer,
    ReadReviewer,
    ReviewerList,
)
from sightwire.contracts.reviews import Reviewer, ReviewerId
from sightwire.errors import InvalidInputError
from sightwire_gateway.answers import model_response
from sightwire_gateway.documentation import body, json_content
from sightwire_gateway.gateway import GatewayParts

router = APIRouter(prefix="/v1/reviewers", tags=["reviews"])


@router.get("", summary="List reviewers", response_class=Response, responses={200: {"model": ReviewerList}})
async def list_reviewers(gateway: GatewayParts, with_inactive: bool = False) -> Response:
    """By id."""
    asked = ListReviewers(with_inactive=with_inactive)
    return model_response(await gateway.orchestrator.ask_reviews(asked, ReviewerList))


@router.get("/{reviewer}", summary="Get a reviewer", response_class=Response, responses={200: {"model": Reviewer}})
async def get_reviewer(reviewer: ReviewerId, gateway: GatewayParts) -> Response:
    return model_response(await gateway.orchestrator.ask_reviews(ReadReviewer(reviewer=reviewer), Reviewer))


@router.put(
    "/{reviewer}",
    summary="Make or change a reviewer",
    response_class=Response,
    responses={200: {"model": Reviewer}},
    openapi_extra=body(json_content(Reviewer)),
)
async def put_reviewer(reviewer: ReviewerId, request: Request, gateway: GatewayParts) -> Response:
    """A new profile (revision 0), or what became of one that was read, with the revision that it had: refused when
    somebody changed it since. Who is made inactive or absent loses reviews to others."""
    profile = await gateway.bodies.read_json(request, Reviewer)
    if profile.id != reviewer:
        raise InvalidInputError(f"id: expected {reviewer!r} as in the path, got {profile.id!r}")
    return model_response(await gateway.orchestrator.ask_reviews(PutReviewer(reviewer=profile), Reviewer))


@router.post(
    "/{reviewer}/deactivate",
    summary="Ask a reviewer no longer",
    response_class=Response,
    responses={200: {"model": Reviewer}},
)
async def deactivate_reviewer(reviewer: ReviewerId, gateway: GatewayParts) -> Response:
    """Reviews go to others. Reviewers are not deleted: trails name them."""
    return model_response(await gateway.orchestrator.ask_reviews(DeactivateReviewer(reviewer=reviewer), Reviewer))
