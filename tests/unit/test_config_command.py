"""`sightwire config check`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sightwire.cli.main import app

SERVICES = ("gateway", "embedder", "indexer", "searcher", "orchestrator")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("log_level: DEBUG\nindexer_commit_seconds: 0.5\n", set()),
        ("", set()),
        ("indexer_commit_seconds: -1\n", {("indexer", "indexer_commit_seconds")}),
        ("gateway_port: http\n", {("gateway", "gateway_port")}),
        ("log_level: loud\n", {(name, "log_level") for name in SERVICES}),
        ("indexer_comit_seconds: 1\n", {(None, "indexer_comit_seconds")}),
    ],
)
def test_every_problem_is_named(tmp_path: Path, text: str, problems: set[tuple[str | None, str]]) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    answer = CliRunner().invoke(app, ["config", "check", str(file), "--json"])
    assert answer.exit_code == int(bool(problems))
    named = json.loads(answer.stdout)["problems"]
    assert {(problem["service"], problem["setting"]) for problem in named} == problems


def test_good_file_is_called_good(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("log_level: DEBUG\n")
    answer = CliRunner().invoke(app, ["config", "check", str(file)])
    assert f"is good for {', '.join(SERVICES)}" in " ".join(answer.stdout.split())


def test_a_file_is_checked_for_one_service_alone(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("indexer_commit_seconds: -1\ngateway_port: http\ntypo: 1\n")
    answer = CliRunner().invoke(app, ["config", "check", str(file), "--service", "gateway", "--json"])
    named = json.loads(answer.stdout)["problems"]
    assert [(problem["service"], problem["setting"]) for problem in named] == [
        ("gateway", "gateway_port"),
        (None, "typo"),
    ]
