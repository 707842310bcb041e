"""Commands that other distributions add, such as the trainer's: entry points of the group `sightwire.commands`."""

from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import typer
from typer.main import get_command_name
from typer.models import CommandInfo

from sightwire.errors import ConfigurationError

GROUP: Final = "sightwire.commands"


def add_installed_commands(app: typer.Typer) -> None:
    """Adds each entry point under its name: a `typer.Typer` with commands of its own, or the function of a command.

    Several distributions may add commands to one group, each by an entry point of the group's name, also to a group of
    `app` itself, whose own command of the same name gives way to one that does the same and more. A callback of such a
    group is not called.

    All are imported whenever the command line starts, so that their modules import what is heavy only when they run.

    Raises:
        ConfigurationError: two distributions add the same command.
    """
    by_name: dict[str, list[EntryPoint]] = defaultdict(list)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        by_name[entry.name].append(entry)
    for name, entries in by_name.items():
        if _is_command(entries[0]):
            _refuse_others(name, entries)
            app.command(name)(entries[0].load())
        else:
            _add_group(app, name, entries)


def _is_command(entry: EntryPoint) -> bool:
    return not isinstance(entry.load(), typer.Typer)


def _refuse_others(name: str, entries: list[EntryPoint]) -> None:
    if len(entries) > 1:
        raise _twice(name, entries[0], entries[1])


def _add_group(app: typer.Typer, name: str, entries: list[EntryPoint]) -> None:
    group = _group_of(app, name)
    if group is None and len(entries) == 1:
        app.add_typer(entries[0].load(), name=name)
        return
    if group is None:
        # Not the first one itself, which knows nothing of the others.
        group = typer.Typer(help=entries[0].load().info.help, no_args_is_help=True, rich_markup_mode=None)
        app.add_typer(group, name=name)
    _bring_together(group, name, entries)


def _bring_together(group: typer.Typer, name: str, entries: list[EntryPoint]) -> None:
    added: dict[str, EntryPoint] = {}
    for entry in entries:
        contributed = entry.load()
        if not isinstance(contributed, typer.Typer):
            raise _twice(name, entries[0], entry)
        for command in contributed.registered_commands:
            command_name = _name_of(command)
            if command_name in added:
                raise _twice(f"{name} {command_name}", added[command_name], entry)
            added[command_name] = entry
            group.registered_commands = [*_others(group.registered_commands, command_name), command]
        group.registered_groups.extend(contributed.registered_groups)


def _group_of(app: typer.Typer, name: str) -> typer.Typer | None:
    return next((info.typer_instance for info in app.registered_groups if info.name == name), None)


def _others(commands: Iterable[CommandInfo], name: str) -> list[CommandInfo]:
    return [command for command in commands if _name_of(command) != name]


def _name_of(command: CommandInfo) -> str:
    if command.name is not None:
        return command.name
    assert command.callback is not None, "a command without a function"
    return get_command_name(command.callback.__name__)


def _twice(command: str, first: EntryPoint, second: EntryPoint) -> ConfigurationError:
    return ConfigurationError(
        f"two installed packages add the command `sightwire {command}`: {first.value} and {second.value}; uninstall one"
    )
