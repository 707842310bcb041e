"""`sightwire items`: get, list, put, delete, status, watch."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sightwire.cli.options import ApiKey, AsJson, CollectionArgument, FilterOption, Url, json_object
from sightwire.cli.output import print_json, print_json_line, print_members, print_table
from sightwire.client import ItemStatus, Sightwire
from sightwire.client.connection import DEFAULT_URL

app = typer.Typer(help="Get, put, delete and watch single items.", no_args_is_help=True, rich_markup_mode=None)

ItemIdArgument = Annotated[str, typer.Argument(help="Id of the item.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return once searches show the change.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds to wait at most.")]


@app.command("get")
def get(
    collection: CollectionArgument,
    item_id: ItemIdArgument,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Show an item as it is stored."""
    with Sightwire(url, api_key=api_key) as sightwire:
        document = sightwire.items.get(collection, item_id)
    if as_json:
        print_json(document)
    else:
        print_members(document)


@app.command("list")
def list_items(
    collection: CollectionArgument,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Items in this page.")] = 100,
    cursor: Annotated[str | None, typer.Option(help="Where the page begins: from the page before.")] = None,
    filter: FilterOption = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List one page of a collection's items."""
    with Sightwire(url, api_key=api_key) as sightwire:
        page = sightwire.items.list(collection, limit=limit, cursor=cursor, filter=json_object(filter, "--filter"))
    if as_json:
        print_json(page)
        return
    print_table(("id", "version", "text"), ((item["id"], item.get("version"), item.get("text")) for item in page.items))
    if page.next_cursor:
        typer.echo(f"more: --cursor {page.next_cursor}")


@app.command("put")
def put(
    collection: CollectionArgument,
    item_id: Annotated[str | None, typer.Option("--id", help="Id; a new one without it.")] = None,
    image: Annotated[str | None, typer.Option(help="Picture: a file or an http(s) URL.")] = None,
    text: Annotated[str | None, typer.Option(help="Text, or the picture's caption.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Tag; may be repeated.")] = None,
    metadata: Annotated[str | None, typer.Option(help="Metadata as a JSON object.")] = None,
    time: Annotated[str | None, typer.Option(help="When it was made, as RFC 3339.")] = None,
    wait: Wait = False,
    timeout: Timeout = 30.0,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Put an item, replacing what had its id."""
    if image is not None and "://" not in image and not Path(image).is_file():
        raise typer.BadParameter(f"expected a file or an http(s) URL, got {image!r}", param_hint="--image")
    with Sightwire(url, api_key=api_key) as sightwire:
        status = sightwire.items.put(
            collection,
            id=item_id,
            image=image,
            text=text,
            tags=tag or (),
            metadata=json_object(metadata, "--metadata"),
            time=time,
            wait=wait,
            timeout=timeout,
        )
    _show_status(status, as_json=as_json)


@app.command("delete")
def delete(
    collection: CollectionArgument,
    item_id: ItemIdArgument,
    wait: Wait = False,
    timeout: Timeout = 30.0,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Delete an item."""
    with Sightwire(url, api_key=api_key) as sightwire:
        status = sightwire.items.delete(collection, item_id, wait=wait, timeout=timeout)
    _show_status(status, as_json=as_json)


@app.command("status")
def status(
    collection: CollectionArgument,
    item_id: ItemIdArgument,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Show how far an item has come. Exits with 1 when it failed."""
    with Sightwire(url, api_key=api_key) as sightwire:
        found = sightwire.items.status(collection, item_id)
    _show_status(found, as_json=as_json)


@app.command("watch")
def watch(
    collection: CollectionArgument,
    item_id: ItemIdArgument,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Follow an item until it is searchable or has failed; then exit with 0 or 1."""
    last: ItemStatus | None = None
    with Sightwire(url, api_key=api_key) as sightwire:
        for last in sightwire.items.watch(collection, item_id):
            if as_json:
                print_json_line(last)
            else:
                typer.echo(f"{last.updated_at or ''}  {last.state}  {last.reason or ''}".strip())
    if last is None or last.state == "failed":
        raise typer.Exit(1)


def _show_status(status: ItemStatus, *, as_json: bool) -> None:
    members: dict[str, Any] = status.model_dump(mode="json", exclude_none=True)
    if as_json:
        print_json(members)
    else:
        print_members(members)
    if status.state == "failed":
        raise typer.Exit(1)
