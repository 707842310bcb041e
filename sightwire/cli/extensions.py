"""Commands that other distributions add, such as the trainer's: entry points of the group `sightwire.commands`."""

from importlib.metadata import entry_points
from typing import Final

import typer

GROUP: Final = "sightwire.commands"


def add_installed_commands(app: typer.Typer) -> None:
    """Adds each entry point under its name: a `typer.Typer` with commands of its own, or the function of a command.

    All are imported whenever the command line starts, so that their modules import what is heavy only when they run.
    """
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        loaded = entry.load()
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=entry.name)
        else:
            app.command(entry.name)(loaded)
