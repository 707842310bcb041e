"""`sightwire dlq`: the messages that could not be processed."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sightwire.cli.bus import ACCESS, with_bus
from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import print_json, print_members, print_table, warn
from sightwire.errors import SightwireError

if TYPE_CHECKING:
    from sightwire.bus.connection import Bus
    from sightwire.bus.dead_letters import DeadLetter

app = typer.Typer(
    help=f"List, show, replay and purge messages that could not be processed. {ACCESS}",
    no_args_is_help=True,
    rich_markup_mode=None,
)

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

    letters = with_bus(data_dir, read)
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

    document = _document(with_bus(data_dir, read), with_payload=True)
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

    finished = with_bus(data_dir, act_on_each)
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
