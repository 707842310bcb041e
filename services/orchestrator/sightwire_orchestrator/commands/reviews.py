"""`sightwire reviews`: what waits for people, asked of the orchestrator over the bus."""

import socket
from enum import StrEnum
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sightwire.cli.bus import ACCESS, with_bus
from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import print_json, print_table
from sightwire.contracts.reviews import ReviewStatus
from sightwire.errors import InvalidInputError

if TYPE_CHECKING:
    from pydantic import BaseModel, JsonValue

    from sightwire.bus.connection import Bus
    from sightwire.contracts.review_control import ReviewsRequest
    from sightwire.contracts.reviews import Actor

app = typer.Typer(
    help=f"List reviews, show them with all that was done, decide. {ACCESS}",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ReviewArgument = Annotated[str, typer.Argument(metavar="REVIEW", help="Id of the review.")]
As = Annotated[
    str | None, typer.Option("--as", metavar="REVIEWER", help="Who you are. [default: the name of the system's user]")
]
ReviewerOption = Annotated[str | None, typer.Option("--reviewer", help="Only those that this one has or decided.")]
Specialization = Annotated[str | None, typer.Option(help="Only those that need it; '' for nothing particular.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Kept with the review.")]

Answer = TypeVar("Answer", bound="BaseModel")


class Decision(StrEnum):
    """What a reviewer says."""

    APPROVE = "approve"
    REJECT = "reject"
    CHANGES = "changes"


@app.command("list")
def list_reviews(
    status: Annotated[list[ReviewStatus] | None, typer.Option(help="Only those in it; repeatable.")] = None,
    reviewer: ReviewerOption = None,
    run: Annotated[str | None, typer.Option(help="Only those of this run.")] = None,
    specialization: Specialization = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="What the list before gave with --json.")] = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """List reviews, those asked for last first."""
    from sightwire.contracts.review_control import ListReviews, ReviewPage
    from sightwire_orchestrator.commands.requests import request_of
    from sightwire_orchestrator.commands.review_output import REVIEW_COLUMNS, review_row

    request = request_of(
        ListReviews,
        statuses=tuple(status or ()),
        reviewer=reviewer,
        run=run,
        specialization=specialization,
        limit=limit,
        cursor=cursor,
    )
    page = asked(data_dir, request, ReviewPage)
    if as_json:
        print_json(page)
    else:
        print_table(REVIEW_COLUMNS, map(review_row, page.reviews))


@app.command("show")
def show(review: ReviewArgument, data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Show a review, its data, and everything that was done."""
    from sightwire.contracts.review_control import ReadReview, ReviewDetails
    from sightwire_orchestrator.commands.review_output import print_details

    details = asked(data_dir, ReadReview(review=review), ReviewDetails)
    if as_json:
        print_json(details)
    else:
        print_details(details)


@app.command("decide")
def decide(
    review: ReviewArgument,
    decision: Annotated[Decision, typer.Argument(help="What is to become of the data.")],
    comment: Comment = "",
    edited: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON that takes the place of the data.", exists=True, dir_okay=False),
    ] = None,
    reviewer: As = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Decide about a review that you have; its run goes on."""
    from sightwire.contracts.review_control import DecideReview
    from sightwire.contracts.reviews import EditedData, ReviewDecision
    from sightwire_orchestrator.commands.requests import request_of

    said = request_of(
        ReviewDecision,
        decision=decision.value,
        comment=comment,
        edited=None if edited is None else EditedData(value=_json_of(edited)),
    )
    _show_changed(data_dir, DecideReview(review=review, decision=said, actor=_actor(reviewer)), as_json=as_json)


@app.command("delegate")
def delegate(
    review: ReviewArgument,
    to: Annotated[str | None, typer.Argument(help="Reviewer who gets it. [default: who suits best]")] = None,
    comment: Comment = "",
    reviewer: As = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Give a review to somebody else."""
    from sightwire.contracts.review_control import DelegateReview, ReassignReview
    from sightwire_orchestrator.commands.requests import request_of

    said = {"review": review, "actor": _actor(reviewer), "comment": comment}
    request = request_of(ReassignReview, **said) if to is None else request_of(DelegateReview, to=to, **said)
    _show_changed(data_dir, request, as_json=as_json)


@app.command("comment")
def comment(
    review: ReviewArgument,
    text: Annotated[str, typer.Argument(help="What you say; it is kept with the review.")],
    reviewer: As = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Say something about an open review that decides nothing."""
    from sightwire.contracts.review_control import CommentReview
    from sightwire_orchestrator.commands.requests import request_of

    request = request_of(CommentReview, review=review, actor=_actor(reviewer), comment=text)
    _show_changed(data_dir, request, as_json=as_json)


@app.command("statistics")
def statistics(
    reviewer: ReviewerOption = None,
    specialization: Specialization = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show how reviews went against their deadlines, in all, by reviewer and by specialization."""
    from sightwire.contracts.review_control import ReadReviewStatistics
    from sightwire.contracts.reviews import ReviewStatistics
    from sightwire_orchestrator.commands.requests import request_of
    from sightwire_orchestrator.commands.review_output import FIGURE_COLUMNS, figure_rows

    request = request_of(ReadReviewStatistics, reviewer=reviewer, specialization=specialization)
    found = asked(data_dir, request, ReviewStatistics)
    if as_json:
        print_json(found)
    else:
        print_table(FIGURE_COLUMNS, figure_rows(found))


def asked(data_dir: Path, request: "ReviewsRequest", answer: type[Answer]) -> Answer:
    """What the orchestrator answers."""

    async def act(bus: "Bus") -> Answer:
        from sightwire.bus.orchestrator import OrchestratorClient

        return await OrchestratorClient(bus).ask_reviews(request, answer)

    return with_bus(data_dir, act)


def _show_changed(data_dir: Path, request: "ReviewsRequest", *, as_json: bool) -> None:
    from sightwire.contracts.reviews import Review

    review = asked(data_dir, request, Review)
    if as_json:
        print_json(review)
    elif review.decision is not None:
        typer.echo(f"{review.id} is decided: {review.decision.decision}, by {review.reviewer}")
    else:
        typer.echo(f"{review.id} lies with {review.reviewer or 'nobody'}")


def _actor(reviewer: str | None) -> "Actor":
    from sightwire.contracts.reviews import Actor
    from sightwire_orchestrator.commands.requests import request_of

    user = getuser()
    return request_of(Actor, name=reviewer or user, origin=f"cli {user}@{socket.gethostname()}")


def _json_of(file: Path) -> "JsonValue":
    from pydantic import JsonValue, TypeAdapter, ValidationError

    json_value: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)
    try:
        return json_value.validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise InvalidInputError(f"{file} is no JSON: {error}") from error
