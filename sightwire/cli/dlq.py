"""`sightwire dlq`: the messages that could not be processed."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import print_json, print_members, print_table, warn
from sightwire.errors import ConfigurationError, SightwireError

if TYPE_CHECKING:
    from sightwire.bus.connection import Bus
    from sightwire.bus.dead_letters import DeadLetter
    from sightwire.settings import SharedSettings

app = typer.Typer(
    help="List, show, replay and purge messages that could not be processed. Speaks to NATS directly: with the "
    "credentials of the data directory, or SIGHTWIRE_NATS_URL, SIGHTWIRE_NATS_USER and SIGHTWIRE_NATS_PASSWORD.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Result = TypeVar("Result")
SequenceArguments = Annotated[list[int] | None, typer.Argument(help="Sequences of dead letters.", metavar="SEQUENCE…")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
_PAGE = 500


@app.command("list")
def list_letters(
    after: Annotated[int, typer.Option(min=0, help="Only those after this sequence.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """List dead letters, the oldest first."""

    async def read(bus: "Bus") -> "list[DeadLetter]":
        from sightwire.bus.dead_letters import list_dead_letters

        return await list_dead_letters(bus, after=after, limit=limit)

    letters = _with_bus(data_dir, read)
    if as_json:
        print_json([_document(letter, with_payload=False) for letter in letters])
        return
    columns = ("sequence", "time", "subject", "service", "code", "reason")
    print_table(columns, ([_document(letter, with_payload=False)[name] for name in columns] for letter in letters))


@app.command("show")
def show(
    sequence: Annotated[int, typer.Argument(help="Sequence of the dead letter.")],
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its headers and its content."""

    async def read(bus: "Bus") -> "DeadLetter":
        from sightwire.bus.dead_letters import get_dead_letter

        return await get_dead_letter(bus, sequence)

    document = _document(_with_bus(data_dir, read), with_payload=True)
    if as_json:
        print_json(document)
    else:
        print_members(document)


@app.command("replay")
def replay(
    sequences: SequenceArguments = None,
    everything: All = False,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Publish dead letters on their original subjects again and remove them from the queue."""
    from sightwire.bus.dead_letters import replay_dead_letter

    _for_each(sequences, everything, data_dir, replay_dead_letter, done="replayed", as_json=as_json)


@app.command("purge")
def purge(
    sequences: SequenceArguments = None,
    everything: All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Remove dead letters for good."""
    from sightwire.bus.dead_letters import purge_dead_letter

    if not yes:
        typer.confirm("Remove these dead letters for good?", abort=True, err=True)
    _for_each(sequences, everything, data_dir, purge_dead_letter, done="purged", as_json=as_json)


def _for_each(
    sequences: list[int] | None,
    everything: bool,
    data_dir: Path,
    act: "Callable[[Bus, int], Awaitable[None]]",
    *,
    done: str,
    as_json: bool,
) -> None:
    if bool(sequences) == everything:
        raise typer.BadParameter("expected sequences, or --all")
    problems: dict[int, str] = {}

    async def act_on_each(bus: "Bus") -> list[int]:
        finished = []
        for sequence in sequences or await _all_sequences(bus):
            try:
                await act(bus, sequence)
            except SightwireError as error:
                problems[sequence] = error.detail
            else:
                finished.append(sequence)
        return finished

    finished = _with_bus(data_dir, act_on_each)
    if as_json:
        print_json({done: finished, "failed": {str(sequence): reason for sequence, reason in problems.items()}})
    else:
        typer.echo(f"{done} {len(finished)}")
        for sequence, reason in problems.items():
            warn(f"{sequence}: {reason}")
    if problems:
        raise typer.Exit(1)


async def _all_sequences(bus: "Bus") -> list[int]:
    """Sequences as they are when asked, so that a letter that comes back does not keep the command busy for ever."""
    from sightwire.bus.dead_letters import list_dead_letters

    sequences: list[int] = []
    while page := await list_dead_letters(bus, after=sequences[-1] if sequences else 0, limit=_PAGE):
        sequences.extend(letter.sequence for letter in page)
        if len(page) < _PAGE:
            break
    return sequences


def _with_bus(data_dir: Path, act: "Callable[[Bus], Awaitable[Result]]") -> Result:
    from sightwire.bus.connection import Bus

    async def connected() -> Result:
        async with Bus(_bus_settings(data_dir), name="cli") as bus:
            return await act(bus)

    return asyncio.run(connected())


def _bus_settings(data_dir: Path) -> "SharedSettings":
    from sightwire.platform.data_directory import DataDirectory
    from sightwire.platform.nats_server import read_nats_access
    from sightwire.settings import SharedSettings, load_settings

    if os.environ.get("SIGHTWIRE_NATS_URL"):
        return load_settings(SharedSettings)
    access = read_nats_access(data_dir)
    if access is None or not DataDirectory(data_dir).is_in_use:
        raise ConfigurationError(
            f"no platform runs on {data_dir.absolute()}; start it with `sightwire up --data-dir {data_dir}`, "
            f"or name another bus with SIGHTWIRE_NATS_URL"
        )
    return SharedSettings.model_validate(
        {"nats_url": access.url, "nats_user": access.user, "nats_password": access.password}
    )


def _document(letter: "DeadLetter", *, with_payload: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "sequence": letter.sequence,
        "time": letter.time,
        "subject": letter.original_subject,
        "service": letter.service,
        "code": letter.code,
        "reason": letter.reason,
    }
    if with_payload:
        document["headers"] = letter.headers
        document["payload"] = letter.payload.decode("utf-8", errors="backslashreplace")
    return document
