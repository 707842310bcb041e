"""Commands of other distributions appear beside the command line's own."""

from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest
import typer
from typer.testing import CliRunner

from sightwire.cli import extensions
from sightwire.errors import ConfigurationError

group = typer.Typer()


@group.command("list")
def list_things() -> None:
    """Lists things."""
    typer.echo("things")


@group.command("count")
def count_things() -> None:
    typer.echo("3")


more = typer.Typer()


@more.command("show")
def show_more_things(name: str = "them") -> None:
    typer.echo(f"more of {name}")


@more.command()
def add_things() -> None:
    typer.echo("added")


def greet(name: str) -> None:
    typer.echo(f"hello {name}")


@pytest.fixture
def app_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., typer.Typer]:
    """`app_with(("things", "group"))`: an app with the group `own`, to which these entry points were added."""

    def make(*entries: tuple[str, str]) -> typer.Typer:
        installed = [EntryPoint(name, f"{__name__}:{attribute}", extensions.GROUP) for name, attribute in entries]
        monkeypatch.setattr(extensions, "entry_points", lambda group: installed if group == extensions.GROUP else [])
        monkeypatch.setattr(EntryPoint, "load", lambda entry: globals()[entry.attr])
        own = typer.Typer()
        own.command("show")(lambda: typer.echo("its own"))
        own.command("hide")(lambda: typer.echo("hidden"))
        app = typer.Typer()
        app.add_typer(own, name="own")
        extensions.add_installed_commands(app)
        return app

    return make


def printed_by(app: typer.Typer, *arguments: str) -> str:
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [(["things", "list"], "things\n"), (["things", "count"], "3\n"), (["greet", "Ada"], "hello Ada\n")],
)
def test_installed_commands_run(app_with: Callable[..., typer.Typer], arguments: list[str], printed: str):
    assert printed_by(app_with(("things", "group"), ("greet", "greet")), *arguments) == printed


@pytest.mark.parametrize(("command", "printed"), [("list", "things\n"), ("add-things", "added\n")])
def test_two_distributions_share_a_group(app_with: Callable[..., typer.Typer], command: str, printed: str):
    app = app_with(("things", "group"), ("things", "more"))
    assert printed_by(app, "things", command) == printed
    assert len(group.registered_commands) == 2, "each distribution keeps a group of its own"


@pytest.mark.parametrize(
    ("command", "printed"), [("show", "more of them\n"), ("hide", "hidden\n"), ("list", "things\n")]
)
def test_a_group_of_the_command_line_itself(app_with: Callable[..., typer.Typer], command: str, printed: str):
    """Its `show` gives way to the installed one."""
    assert printed_by(app_with(("own", "group"), ("own", "more")), "own", command) == printed


@pytest.mark.parametrize(
    ("entries", "command"),
    [
        ([("things", "more"), ("things", "more")], "things (show|add-things)"),
        ([("things", "greet"), ("things", "greet")], "things"),
        ([("things", "greet"), ("things", "group")], "things"),
        ([("things", "more"), ("things", "show_more_things")], "things"),
    ],
)
def test_a_command_that_two_distributions_add(
    app_with: Callable[..., typer.Typer], entries: list[tuple[str, str]], command: str
):
    with pytest.raises(ConfigurationError, match=f"two installed packages add the command `sightwire {command}`"):
        app_with(*entries)
