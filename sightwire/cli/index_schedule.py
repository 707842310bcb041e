"""`sightwire index schedule`: operations that are repeated."""

from typing import Annotated

import typer

from sightwire.cli.index_schedule_output import SCHEDULE_COLUMNS, calendar_rows, schedule_members, schedule_row
from sightwire.cli.options import ApiKey, AsJson, CollectionArgument, Url, json_object
from sightwire.cli.output import print_json, print_members, print_table
from sightwire.client import Sightwire
from sightwire.client.connection import DEFAULT_URL
from sightwire.contracts.schedules import ScheduleRecord

app = typer.Typer(
    help="Repeat rebuilds, validations, backups and scans by the calendar.", no_args_is_help=True, rich_markup_mode=None
)

NameArgument = Annotated[str, typer.Argument(help="Name of the schedule.")]


@app.command("put")
def put(
    collection: CollectionArgument,
    name: NameArgument,
    cron: Annotated[str, typer.Option(help="Minute, hour, day of month, month, day of week: '30 3 * * 1'.")],
    do: Annotated[str, typer.Option("--do", help="What to do: rebuild, validate, backup, scan.")],
    options: Annotated[
        str | None, typer.Option("--with", help='Its options as JSON, such as \'{"index": {"type": "hnsw_sq"}}\'.')
    ] = None,
    time_zone: Annotated[str, typer.Option(help="IANA name, such as Europe/Berlin.")] = "UTC",
    jitter: Annotated[float, typer.Option(min=0, help="Each run starts up to so many seconds later.")] = 0.0,
    cooldown: Annotated[float, typer.Option(min=0, help="Nothing runs for so many seconds after a failure.")] = 600.0,
    max_failures: Annotated[int, typer.Option(min=1, help="So many failures in a row pause it.")] = 3,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Make a schedule, or change one; its past runs stay."""
    spec = {
        "cron": cron,
        "time_zone": time_zone,
        "jitter_seconds": jitter,
        "cooldown_seconds": cooldown,
        "max_failures": max_failures,
        "command": {**(json_object(options, "--with") or {}), "kind": do},
    }
    with Sightwire(url, api_key=api_key) as sightwire:
        _print(sightwire.schedules.put(collection, name, spec), as_json=as_json)


@app.command("list")
def list_schedules(
    collection: CollectionArgument, url: Url = DEFAULT_URL, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """List the schedules of a collection."""
    with Sightwire(url, api_key=api_key) as sightwire:
        found = sightwire.schedules.list(collection)
    if as_json:
        print_json(found)
    else:
        print_table(SCHEDULE_COLUMNS, map(schedule_row, found))


@app.command("show")
def show(
    collection: CollectionArgument,
    name: NameArgument,
    upcoming: Annotated[int, typer.Option(min=0, max=1000, help="How many of the next runs.")] = 10,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Show a schedule and its calendar: past runs, and the next ones on the clock of its time zone."""
    with Sightwire(url, api_key=api_key) as sightwire:
        calendar = sightwire.schedules.calendar(collection, name, upcoming=upcoming)
    if as_json:
        print_json(calendar)
        return
    print_members(schedule_members(calendar.schedule))
    print_table(("run", "outcome", "by", "took", "why"), calendar_rows(calendar))


@app.command("run")
def run(
    collection: CollectionArgument,
    name: NameArgument,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Run a schedule now, whatever its calendar says."""
    with Sightwire(url, api_key=api_key) as sightwire:
        _print(sightwire.schedules.run(collection, name, trigger="cli"), as_json=as_json)


@app.command("pause")
def pause(
    collection: CollectionArgument,
    name: NameArgument,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Let a schedule run by itself no more until it is resumed."""
    with Sightwire(url, api_key=api_key) as sightwire:
        _print(sightwire.schedules.pause(collection, name, trigger="cli"), as_json=as_json)


@app.command("resume")
def resume(
    collection: CollectionArgument,
    name: NameArgument,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Let a schedule run again, with its failures forgotten."""
    with Sightwire(url, api_key=api_key) as sightwire:
        _print(sightwire.schedules.resume(collection, name), as_json=as_json)


@app.command("delete")
def delete(
    collection: CollectionArgument,
    name: NameArgument,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Forget a schedule; what it began runs on."""
    with Sightwire(url, api_key=api_key) as sightwire:
        sightwire.schedules.delete(collection, name)
    if as_json:
        print_json({"deleted": name})
    else:
        typer.echo(f"deleted schedule {name}")


def _print(record: ScheduleRecord, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
    else:
        print_members(schedule_members(record))
