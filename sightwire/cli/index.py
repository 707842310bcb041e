"""`sightwire index`: what an index takes, its generations, and what the gates saw of them."""

from typing import Annotated

import typer

from sightwire.byte_sizes import bytes_text
from sightwire.cli import index_operations, index_schedule
from sightwire.cli.index_output import field_rows, generation_rows, statistics_members
from sightwire.cli.operation_output import print_report
from sightwire.cli.options import ApiKey, AsJson, CollectionArgument, Url
from sightwire.cli.output import print_json, print_members, print_table
from sightwire.client import Sightwire
from sightwire.client.connection import DEFAULT_URL

app = typer.Typer(
    help="Look into indexes, rebuild them, switch between their generations, repeat work on them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
index_operations.add_to(app)
app.add_typer(index_schedule.app, name="schedule")

GenerationArgument = Annotated[str, typer.Argument(help="Name of the generation, such as g2.")]


@app.command("stats")
def stats(
    collection: CollectionArgument,
    segments: Annotated[bool, typer.Option("--segments", help="List the largest segments, too.")] = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Show what an index takes: kinds of indexes, bytes in memory for each vector, and their ratio to raw vectors."""
    with Sightwire(url, api_key=api_key) as sightwire:
        statistics = sightwire.index.stats(collection)
    if as_json:
        print_json(statistics)
        return
    print_members(statistics_members(statistics))
    print_table(
        ("field", "vectors", "dimension", "metric", "indexes", "in memory", "a vector", "raw", "ratio"),
        field_rows(statistics),
    )
    if segments:
        rows = (
            (
                segment.id,
                segment.items,
                segment.deleted_items,
                bytes_text(segment.disk_bytes),
                ", ".join(f"{field} {kind}" for field, kind in segment.kinds.items()),
            )
            for segment in statistics.largest_segments
        )
        print_table(("segment", "items", "deleted", "on disk", "indexes"), rows)


@app.command("generations")
def generations(
    collection: CollectionArgument, url: Url = DEFAULT_URL, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """List the generations that are kept, and which one is live."""
    with Sightwire(url, api_key=api_key) as sightwire:
        kept = sightwire.index.generations(collection)
    if as_json:
        print_json(kept)
        return
    columns = ("generation", "state", "gates", "index", "items", "segments", "on disk", "since", "why")
    print_table(columns, generation_rows(kept))


@app.command("forget")
def forget(
    collection: CollectionArgument,
    generation: GenerationArgument,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Forget a generation that is not live; what only it needs is then removed."""
    with Sightwire(url, api_key=api_key) as sightwire:
        kept = sightwire.index.forget(collection, generation)
    if as_json:
        print_json(kept)
    else:
        typer.echo(f"forgot {generation}; kept: {', '.join(entry.name for entry in kept.generations)}")


@app.command("report")
def report(
    collection: CollectionArgument,
    generation: GenerationArgument,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Show what the gates saw of a generation. Exits with 1 when it failed."""
    with Sightwire(url, api_key=api_key) as sightwire:
        found = sightwire.index.report(collection, generation)
    if as_json:
        print_json(found)
    else:
        head = {"generation": found.generation, "compared with": found.live_generation, "at": str(found.created_at)}
        print_members(head)
        print_report(found)
    if not found.passed:
        raise typer.Exit(1)
