"""`sightwire search`: by text, by picture, by item, by words; ordered, grouped and counted."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sightwire.cli.options import DEFAULT_COLLECTION, ApiKey, AsJson, CollectionOption, FilterOption, Url, json_object
from sightwire.cli.output import print_json
from sightwire.cli.search_output import print_results
from sightwire.client import Sightwire
from sightwire.client.connection import DEFAULT_URL


class Target(StrEnum):
    """What a search compares with."""

    ITEMS = "items"
    OBJECTS = "objects"


class Fusion(StrEnum):
    """How several rankings become one."""

    MEAN = "mean"
    RRF = "rrf"
    WEIGHTED = "weighted"


def search(
    text: Annotated[str | None, typer.Argument(help="What to look for, in words.")] = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    image: Annotated[str | None, typer.Option(help="Picture to compare with: a file or an http(s) URL.")] = None,
    item: Annotated[str | None, typer.Option(help="Id of an item of the collection to compare with.")] = None,
    full_text: Annotated[
        bool, typer.Option("--full-text", help='Find TEXT by its words; "a phrase", begin*, -without, mispelt~1.')
    ] = False,
    hybrid: Annotated[bool, typer.Option("--hybrid", help="Find TEXT both by its meaning and by its words.")] = False,
    highlight: Annotated[bool, typer.Option("--highlight", help="Show where words were found.")] = False,
    sort: Annotated[
        list[str] | None, typer.Option(help="Field to order by, `-price` for falling values; may be repeated.")
    ] = None,
    group_by: Annotated[str | None, typer.Option(help="Field whose values are groups; -k then counts groups.")] = None,
    group_size: Annotated[int, typer.Option(min=1, max=100, help="Hits a group.")] = 1,
    facet: Annotated[
        list[str] | None, typer.Option(help="Field whose values to count, also _tags, _classes; may be repeated.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many to find.")] = 10,
    target: Annotated[
        Target, typer.Option(help="Compare with whole items, or with the objects in them.")
    ] = Target.ITEMS,
    field: Annotated[list[str] | None, typer.Option(help="Vector field to search; may be repeated.")] = None,
    fusion: Annotated[Fusion | None, typer.Option(help="How several rankings become one.")] = None,
    filter: FilterOption = None,
    cursor: Annotated[str | None, typer.Option(help="Where the page begins: from the page before.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show how scores came about (with --json).")] = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Find items by a text, a picture or another item that they are near to, by words, or all of them in some order.

    TEXT with --full-text may stand beside --image or --item. Without any of them --sort or --facet looks at everything.
    """
    queries = sum(query is not None for query in (text if not full_text else None, image, item))
    if queries > 1 or not (queries or full_text or sort or facet):
        raise typer.BadParameter("expected exactly one of TEXT, --image and --item, or else --sort or --facet")
    if text is None and (full_text or hybrid):
        raise typer.BadParameter("expected TEXT, whose words --full-text and --hybrid look for")
    if full_text and hybrid:
        raise typer.BadParameter("--hybrid searches by words already; leave --full-text out")
    if highlight and not (full_text or hybrid):
        raise typer.BadParameter("only words can be shown where they are: give --full-text or --hybrid too")
    if image is not None and "://" not in image and not Path(image).is_file():
        raise typer.BadParameter(f"expected a file or an http(s) URL, got {image!r}", param_hint="--image")
    with Sightwire(url, api_key=api_key) as sightwire:
        found = sightwire.search(
            collection,
            text=text if not full_text else None,
            image=image,
            item=item,
            full_text=_words(text if full_text else None, highlight=highlight),
            hybrid=hybrid,
            fields=field,
            fusion=fusion.value if fusion is not None else None,
            target="objects" if target is Target.OBJECTS else "items",
            filter=json_object(filter, "--filter"),
            sort=sort,
            group_by={"field": group_by, "size": group_size} if group_by is not None else None,
            facets=facet,
            k=k,
            cursor=cursor,
            explain=explain,
        )
    if as_json:
        print_json(found)
        return
    print_results(found, grouped=group_by is not None)


def _words(text: str | None, *, highlight: bool) -> dict[str, Any] | None:
    """The client's `full_text`; None when nothing is to be said of it."""
    words: dict[str, Any] = {}
    if text is not None:
        words["query"] = text
    if highlight:
        words["highlight"] = True
    return words or None
