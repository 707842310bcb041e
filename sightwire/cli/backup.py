"""`sightwire backup`: create, list, verify, restore, prune."""

from typing import Annotated, Any

import typer

from sightwire.byte_sizes import bytes_text
from sightwire.cli.documents import GatesFile, read_gates
from sightwire.cli.operation_running import NoWait, carry_through
from sightwire.cli.options import ApiKey, AsJson, CollectionArgument, Url
from sightwire.cli.output import fail, print_json, print_table
from sightwire.client import Sightwire
from sightwire.client.connection import DEFAULT_URL
from sightwire.contracts.backups import BackupSummary

app = typer.Typer(help="Back indexes up, check backups, bring them back.", no_args_is_help=True, rich_markup_mode=None)

BackupArgument = Annotated[str, typer.Argument(help="Id of the backup, as `sightwire backup list` shows it.")]
OfCollection = Annotated[str | None, typer.Option("--collection", "-c", help="Only of this collection; none: of all.")]

_DAY_SECONDS = 24 * 3600.0
_COLUMNS = ("backup", "collection", "items", "in use", "stored", "added", "encrypted")


@app.command("create")
def create(
    collection: CollectionArgument,
    no_prune: Annotated[bool, typer.Option("--no-prune", help="Keep backups that are past their retention.")] = False,
    no_wait: NoWait = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Copy the live index into the backup store; segments that it has already are not copied again."""
    with Sightwire(url, api_key=api_key) as sightwire:
        begun = sightwire.backups.create(collection, prune=not no_prune)
        carry_through(sightwire, begun, no_wait=no_wait, as_json=as_json)


@app.command("list")
def list_backups(
    collection: OfCollection = None, url: Url = DEFAULT_URL, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """List backups, the newest first; those of deleted collections too."""
    with Sightwire(url, api_key=api_key) as sightwire:
        found = sightwire.backups.list(collection)
    if as_json:
        print_json(found)
    else:
        print_table(_COLUMNS, map(_row, found))


@app.command("verify")
def verify(backup: BackupArgument, url: Url = DEFAULT_URL, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """Read a backup back and compare checksums. Exits with 1 when anything is missing or damaged."""
    with Sightwire(url, api_key=api_key) as sightwire:
        seen = sightwire.backups.verify(backup)
    if as_json:
        print_json(seen)
    else:
        typer.echo(f"read {seen.files} files, {bytes_text(seen.bytes)}")
        for problem in seen.problems:
            fail(problem)
    if not seen.passed:
        raise typer.Exit(1)


@app.command("restore")
def restore(
    backup: BackupArgument,
    into: Annotated[
        str | None, typer.Option(help="Collection, created if need be; none: the one that the backup is of.")
    ] = None,
    no_activate: Annotated[bool, typer.Option("--no-activate", help="Keep it staged: do not make it live.")] = False,
    gates: GatesFile = None,
    no_wait: NoWait = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back as a new generation, put it through the gates, and make it live."""
    with Sightwire(url, api_key=api_key) as sightwire:
        begun = sightwire.backups.restore(backup, into=into, activate=not no_activate, gates=read_gates(gates))
        carry_through(sightwire, begun, no_wait=no_wait, as_json=as_json)


@app.command("prune")
def prune(
    collection: OfCollection = None,
    keep: Annotated[int | None, typer.Option(min=1, help="Keep so many of the newest of each collection.")] = None,
    keep_days: Annotated[float | None, typer.Option(min=0.001, help="Keep those that are younger.")] = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Remove backups that neither limit protects; without limits as configured. The newest always stays."""
    with Sightwire(url, api_key=api_key) as sightwire:
        gone = sightwire.backups.prune(
            collection, keep=keep, keep_seconds=keep_days * _DAY_SECONDS if keep_days is not None else None
        )
    if as_json:
        print_json(gone)
        return
    typer.echo(f"removed {len(gone)}")
    if gone:
        print_table(_COLUMNS, map(_row, gone))


def _row(backup: BackupSummary) -> tuple[Any, ...]:
    return (
        backup.id,
        backup.collection.name,
        f"{backup.items:,}",
        bytes_text(backup.bytes),
        bytes_text(backup.stored_bytes),
        bytes_text(backup.added_bytes),
        "yes" if backup.encrypted else "no",
    )
