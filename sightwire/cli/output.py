"""What every command prints: tables and sentences for people, JSON for programs."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Column, Table

#: For people: progress, notices and errors. Standard output carries results alone.
notices = Console(stderr=True, highlight=False)
#: Lines that another program reads are not folded into a terminal's width.
results = Console(highlight=False, width=None if sys.stdout.isatty() else 1_000)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.buffer.write(orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def print_json_line(value: object) -> None:
    """One JSON document on a line of its own, for commands that tell what happens while it happens."""
    sys.stdout.buffer.write(orjson.dumps(value, default=_plain, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on standard output; None shows as nothing.

    The first column, which names things, is never cut: it is what people copy.
    """
    named, *others = columns
    headers = [Column(named, no_wrap=True), *(Column(name, overflow="fold") for name in others)]
    table = Table(*headers, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    results.print(table)


def print_members(members: dict[str, Any]) -> None:
    """One thing with its members, a line each; members without a value are left out."""
    width = max((len(name) for name in members), default=0)
    for name, value in members.items():
        if value not in (None, "", [], {}, ()):
            shown = value if isinstance(value, str | int | float) else orjson.dumps(value, default=_plain).decode()
            typer.echo(f"{name:<{width}}  {shown}")


def time_text(moment: datetime | None) -> str | None:
    """A moment on the clock of this machine, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment is not None else None


def escaped(text: str) -> str:
    """Text for a table or a notice, in which brackets are brackets and not styles."""
    return text.replace("[", r"\[")


def fail(message: str) -> None:
    """An error for a person."""
    notices.print(f"[bold red]error:[/] {escaped(message)}")


def warn(message: str) -> None:
    """Something that a person should know and that stops nothing."""
    notices.print(f"[yellow]warning:[/] {escaped(message)}")


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    raise TypeError(f"{type(value).__name__} has no JSON form")
