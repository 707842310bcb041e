"""`sightwire reviewers`: the people who decide, asked of the orchestrator over the bus."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sightwire.cli.bus import ACCESS
from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import print_json, print_table
from sightwire_orchestrator.commands.reviews import asked

app = typer.Typer(
    help=f"Say who decides reviews: list, add, change and deactivate reviewers. {ACCESS}",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ReviewerArgument = Annotated[str, typer.Argument(metavar="REVIEWER", help="Id of the reviewer.")]


@app.command("list")
def list_reviewers(
    inactive: Annotated[bool, typer.Option("--inactive", help="Those who are no longer asked, too.")] = False,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """List reviewers."""
    from sightwire.contracts.review_control import ListReviewers, ReviewerList
    from sightwire_orchestrator.commands.review_output import REVIEWER_COLUMNS, reviewer_row

    found = asked(data_dir, ListReviewers(with_inactive=inactive), ReviewerList)
    if as_json:
        print_json(found)
    else:
        print_table(REVIEWER_COLUMNS, map(reviewer_row, found.reviewers))


@app.command("put")
def put(
    reviewer: ReviewerArgument,
    name: Annotated[str | None, typer.Option(help="Name.")] = None,
    email: Annotated[str | None, typer.Option(help="Address for mail.")] = None,
    specializations: Annotated[
        list[str] | None, typer.Option("--specialization", help="What to be asked about; may be repeated.")
    ] = None,
    at_most: Annotated[int | None, typer.Option(min=1, help="Reviews at once.")] = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="More of the profile in YAML or JSON, such as availability: working hours and absences.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether to be asked.")] = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Add a reviewer, or change one: what is not given stays as it is."""
    from sightwire.contracts.review_control import PutReviewer, ReadReviewer
    from sightwire.contracts.reviews import Reviewer
    from sightwire.errors import NotFoundError
    from sightwire_orchestrator.commands.requests import request_of

    said = {
        "name": name,
        "email": email,
        "specializations": specializations,
        "max_concurrent_reviews": at_most,
        "is_active": active,
    }
    changes = {**_profile(profile), **{member: value for member, value in said.items() if value is not None}}
    try:
        present = asked(data_dir, request_of(ReadReviewer, reviewer=reviewer), Reviewer).model_dump()
    except NotFoundError:
        present = {"id": reviewer}
    wanted = request_of(Reviewer, **{**present, **changes})
    stored = asked(data_dir, PutReviewer(reviewer=wanted), Reviewer)
    if as_json:
        print_json(stored)
    else:
        typer.echo(f"stored {stored.id}, revision {stored.revision}")


@app.command("deactivate")
def deactivate(reviewer: ReviewerArgument, data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Ask somebody no longer; reviews that wait go to others."""
    from sightwire.contracts.review_control import DeactivateReviewer
    from sightwire.contracts.reviews import Reviewer
    from sightwire_orchestrator.commands.requests import request_of

    stored = asked(data_dir, request_of(DeactivateReviewer, reviewer=reviewer), Reviewer)
    if as_json:
        print_json(stored)
    else:
        typer.echo(f"{stored.id} is no longer asked")


def _profile(file: Path | None) -> dict[str, Any]:
    from yaml import YAMLError, safe_load

    from sightwire.errors import InvalidInputError

    if file is None:
        return {}
    try:
        members = safe_load(file.read_bytes())
    except (OSError, YAMLError) as error:
        raise InvalidInputError(f"{file} is no profile: {error}") from error
    if not isinstance(members, dict) or {"id", "revision"} & members.keys():
        raise InvalidInputError(f"{file} is no profile: expected members of one, without id and revision")
    return members
