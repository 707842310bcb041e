"""Commands of other distributions appear beside the command line's own."""

from importlib.metadata import EntryPoint

import pytest
import typer
from typer.testing import CliRunner

from sightwire.cli import extensions

group = typer.Typer()


@group.command("list")
def list_things() -> None:
    """Lists things."""
    typer.echo("things")


@group.command("count")
def count_things() -> None:
    typer.echo("3")


def greet(name: str) -> None:
    typer.echo(f"hello {name}")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    installed = [
        EntryPoint(name, f"{__name__}:{attribute}", extensions.GROUP)
        for name, attribute in (("things", "group"), ("greet", "greet"))
    ]
    monkeypatch.setattr(extensions, "entry_points", lambda group: installed if group == extensions.GROUP else [])
    monkeypatch.setattr(EntryPoint, "load", lambda entry: globals()[entry.attr])
    app = typer.Typer()
    extensions.add_installed_commands(app)
    return app


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [(["things", "list"], "things\n"), (["things", "count"], "3\n"), (["greet", "Ada"], "hello Ada\n")],
)
def test_installed_commands_run(app: typer.Typer, arguments: list[str], printed: str):
    answer = CliRunner().invoke(app, arguments)
    assert (answer.exit_code, answer.stdout) == (0, printed)
