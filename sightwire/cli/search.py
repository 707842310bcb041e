"""`sightwire search`: by text, by picture, by item."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sightwire.cli.options import DEFAULT_COLLECTION, ApiKey, AsJson, CollectionOption, FilterOption, Url, json_object
from sightwire.cli.output import print_json, print_table
from sightwire.client import Hit, Sightwire
from sightwire.client.connection import DEFAULT_URL

_SHOWN_TEXT_CHARACTERS = 80


class Target(StrEnum):
    """What a search compares with."""

    ITEMS = "items"
    OBJECTS = "objects"


def search(
    text: Annotated[str | None, typer.Argument(help="What to look for, in words.")] = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    image: Annotated[str | None, typer.Option(help="Picture to compare with: a file or an http(s) URL.")] = None,
    item: Annotated[str | None, typer.Option(help="Id of an item of the collection to compare with.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many to find.")] = 10,
    target: Annotated[
        Target, typer.Option(help="Compare with whole items, or with the objects in them.")
    ] = Target.ITEMS,
    field: Annotated[list[str] | None, typer.Option(help="Vector field to search; may be repeated.")] = None,
    filter: FilterOption = None,
    cursor: Annotated[str | None, typer.Option(help="Where the page begins: from the page before.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show how scores came about (with --json).")] = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Find the items that are nearest to a text, a picture or another item."""
    if sum(query is not None for query in (text, image, item)) != 1:
        raise typer.BadParameter("expected exactly one of TEXT, --image and --item")
    if image is not None and "://" not in image and not Path(image).is_file():
        raise typer.BadParameter(f"expected a file or an http(s) URL, got {image!r}", param_hint="--image")
    with Sightwire(url, api_key=api_key) as sightwire:
        found = sightwire.search(
            collection,
            text=text,
            image=image,
            item=item,
            fields=field,
            target="objects" if target is Target.OBJECTS else "items",
            filter=json_object(filter, "--filter"),
            k=k,
            cursor=cursor,
            explain=explain,
        )
    if as_json:
        print_json(found)
        return
    print_table(("score", "id", "text", "objects"), map(_row, found.hits))
    if found.next_cursor:
        typer.echo(f"more: --cursor {found.next_cursor}")


def _row(hit: Hit) -> tuple[str, str, str, str]:
    text = str(hit.item.get("text", ""))
    shown = text if len(text) <= _SHOWN_TEXT_CHARACTERS else text[: _SHOWN_TEXT_CHARACTERS - 1] + "…"
    objects = ", ".join(f"{matched.class_name} {matched.confidence:.2f}" for matched in hit.objects)
    return f"{hit.score:.4f}", hit.id, shown, objects
