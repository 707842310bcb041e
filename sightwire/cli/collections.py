"""`sightwire collections`: create, list, show, delete."""

from pathlib import Path
from typing import Annotated

import typer

from sightwire.cli.documents import read_document
from sightwire.cli.options import ApiKey, AsJson, CollectionArgument, Url
from sightwire.cli.output import print_json, print_members, print_table
from sightwire.client import Sightwire
from sightwire.client.connection import DEFAULT_URL

app = typer.Typer(help="Create, list, show and delete collections.", no_args_is_help=True, rich_markup_mode=None)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Name: lower-case letters, digits, - and _.")],
    description: Annotated[str, typer.Option(help="What it holds.")] = "",
    metadata: Annotated[
        list[str] | None,
        typer.Option("--metadata", "-m", help="Metadata field as NAME=TYPE (string, integer, float, boolean, …)."),
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(help="JSON or YAML file with the whole specification.", exists=True, dir_okay=False),
    ] = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Create a collection; without a specification it has the fields image, object and text."""
    options = read_document(spec, "--spec")
    options.pop("name", None)
    if description:
        options["description"] = description
    if metadata:
        options["metadata"] = {**options.get("metadata", {}), **dict(map(_metadata_field, metadata))}
    with Sightwire(url, api_key=api_key) as sightwire:
        collection = sightwire.collections.create(name, **options)
    if as_json:
        print_json(collection)
    else:
        typer.echo(f"created collection {collection.name} with the fields {', '.join(collection.fields)}")


@app.command("list")
def list_collections(url: Url = DEFAULT_URL, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """List all collections."""
    with Sightwire(url, api_key=api_key) as sightwire:
        summaries = sightwire.collections.list()
    if as_json:
        print_json(summaries)
    else:
        rows = (
            (summary.name, "?" if summary.items is None else summary.items, summary.created_at, summary.description)
            for summary in summaries
        )
        print_table(("name", "items", "created", "description"), rows)


@app.command("show")
def show(
    collection: CollectionArgument, url: Url = DEFAULT_URL, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Show a collection: its fields, its schema, its size."""
    with Sightwire(url, api_key=api_key) as sightwire:
        found = sightwire.collections.get(collection)
    if as_json:
        print_json(found)
    else:
        print_members(found.model_dump(mode="json", exclude={"class_names", "spec"}))


@app.command("delete")
def delete(
    collection: CollectionArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Delete a collection and everything in it."""
    if not yes:
        typer.confirm(f"Delete collection {collection} and everything in it?", abort=True, err=True)
    with Sightwire(url, api_key=api_key) as sightwire:
        sightwire.collections.delete(collection)
    if as_json:
        print_json({"deleted": collection})
    else:
        typer.echo(f"deleted collection {collection}")


def _metadata_field(text: str) -> tuple[str, dict[str, str]]:
    name, separator, kind = text.partition("=")
    if not (name and separator and kind):
        raise typer.BadParameter(f"expected NAME=TYPE, got {text!r}", param_hint="--metadata")
    return name, {"type": kind}
