"""Puts the commands together."""

import sys
from typing import Annotated

import typer

from sightwire import __version__
from sightwire.cli import (
    backup,
    collections,
    config,
    dlq,
    doctor,
    index,
    ingest,
    items,
    models,
    search,
    status,
    up,
    warmup,
)
from sightwire.cli.extensions import add_installed_commands
from sightwire.cli.output import fail
from sightwire.errors import SightwireError

app = typer.Typer(
    name="sightwire",
    help="Run a Sightwire platform on this machine, fill it, and search it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(up.up)
app.command("status")(status.status)
app.command("ingest")(ingest.ingest)
app.command("search")(search.search)
app.command("warmup")(warmup.warmup)
app.command("doctor")(doctor.doctor)
app.add_typer(collections.app, name="collections")
app.add_typer(items.app, name="items")
app.add_typer(index.app, name="index")
app.add_typer(backup.app, name="backup")
app.add_typer(config.app, name="config")
app.add_typer(dlq.app, name="dlq")
app.add_typer(models.app, name="models")
add_installed_commands(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sightwire {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of the command itself."""


def run() -> None:
    """The entry point of the `sightwire` script: errors that the platform raises on purpose end in one line."""
    try:
        app()
    except SightwireError as error:
        fail(str(error))
        sys.exit(1)
