"""`sightwire models` of the registry: what people type and what they see."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sightwire_orchestrator.commands.models import app
from typer.testing import CliRunner

from services.orchestrator.tests.made_bundles import make_bundle
from sightwire.blobs import open_blob_store
from sightwire.bundles import BUNDLE_FILE
from sightwire.cli.main import app as sightwire_app
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError

Models = Callable[..., str]


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """`models("list")`: what the command prints, for a registry of this test's own."""
    environment = {
        "SIGHTWIRE_ORCHESTRATOR_DATABASE_URL": f"sqlite:///{tmp_path}/orchestrator.db",
        "SIGHTWIRE_BLOBS_URL": str(tmp_path / "blobs"),
        "SIGHTWIRE_DATA_DIR": str(tmp_path),
        "COLUMNS": "250",
    }

    def run(*arguments: object, exit_code: int = 0) -> str:
        result = CliRunner().invoke(app, [str(each) for each in arguments], env=environment, catch_exceptions=False)
        assert result.exit_code == exit_code, result.output
        return result.output

    return run


def read(models: Models, *arguments: object) -> Any:
    return json.loads(models(*arguments, "--json"))


def test_a_model_from_registration_to_deprecation(models: Models, tmp_path: Path):
    first, second = make_bundle(tmp_path), make_bundle(tmp_path, version="2", weights=b"better", space="tiny-2")
    options = ("--tag", "small", "--metric", "real/recall_at_1=0.25", "--metadata", "team=a=b", "--data", "drawn")
    assert "tiny:1 is registered: 2 files" in models("register", first, *options, "--run", "train-1")
    assert "tiny:1 was registered already" in models("register", first)
    models("register", second, "--parent", "tiny:1")

    shown = read(models, "show", "tiny:1")
    assert shown["notes"] == {"tags": ["small"], "metadata": {"team": "a=b"}, "metrics": {"real/recall_at_1": 0.25}}
    assert (shown["lineage"]["run"], shown["lineage"]["data"]) == ("train-1", ["drawn"])
    assert read(models, "show", "tiny:2")["lineage"]["parent"] == {"name": "tiny", "version": "1"}

    models("alias", "tiny", "live", "1")
    models("alias", "tiny", "live", "2", "--expect", "1", "--reason", "better")
    with pytest.raises(ConflictError, match="means '2' and not '1'"):
        models("alias", "tiny", "live", "2", "--expect", "1")
    assert "better" in models("alias", "tiny", "live")
    models("alias", "tiny", "live", "--back")
    assert [move["version"] for move in read(models, "alias", "tiny", "live")] == ["1", "2", "1"]
    printed = models("show", "tiny@live")
    for said in ("tiny:1", "live", "tiny-1, 8 dimensions", "graphs/image.onnx", "drawn/recall_at_1", "0.25"):
        assert said in printed

    compared = models("compare", "tiny@live", "tiny:2")
    for said in ("drawn/recall_at_1", "tiny-2", "graphs/image.onnx", "of different spaces"):
        assert said in compared

    assert "tiny:2 is deprecated" in models("deprecate", "tiny:2", "--reason", "slow", "--replacement", "tiny:1")
    assert "tiny:2" not in models("list")
    assert "slow" in models("list", "--deprecated")
    models("alias", "tiny", "live", "--remove")
    assert "live" not in models("list", "tiny")


def test_a_model_is_annotated(models: Models, tmp_path: Path):
    models(
        "register", make_bundle(tmp_path), "--tag", "small", "--metadata", "team=a", "--metric", "real/recall_at_1=0.25"
    )
    models("annotate", "tiny", "--description", "draws icons", "--tag", "icons", "--metadata", "owner=ann")
    options = ("--remove-tag", "small", "--remove-metadata", "team", "--remove-metric", "real/recall_at_1")
    notes = read(models, "annotate", "tiny:1", *options, "--tag", "icons", "--metric", "real/ndcg_at_10=0.5")["notes"]
    assert notes == {
        "description": "draws icons",
        "tags": ["icons"],
        "metadata": {"owner": "ann"},
        "metrics": {"real/ndcg_at_10": 0.5},
    }
    printed = models("show", "tiny")
    for said in ("draws icons", "icons", "ann", "real/ndcg_at_10"):
        assert said in printed
    assert "draws icons" not in models("annotate", "tiny", "--description", "")
    with pytest.raises(InvalidInputError, match="tags"):
        models("annotate", "tiny", "--tag", "")


def test_a_bundle_in_the_blob_store(models: Models, tmp_path: Path):
    make_bundle(Path(open_blob_store(str(tmp_path / "blobs")).root or ""))
    assert "tiny:1 is registered" in models("register", "tiny-1", "--stored")


def test_show_takes_a_folder_too(models: Models, tmp_path: Path):
    folder = make_bundle(tmp_path)
    assert "tiny 1" in models("show", folder)
    assert read(models, "show", folder)["space"] == "tiny-1"
    assert not (tmp_path / "orchestrator.db").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["show", "tiny"], NotFoundError, "there is no model 'tiny'"),
        (["show", "Tiny"], InvalidInputError, "NAME:VERSION"),
        (["deprecate", "tiny", "--reason", "a", "--replacement", "tiny"], InvalidInputError, "expected NAME:VERSION"),
    ],
)
def test_what_is_not_there(models: Models, arguments: list[str], error: type[Exception], said: str):
    with pytest.raises(error, match=said):
        models(*arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["register", "a", "--metric", "recall=high"], "expected KEY=NUMBER"),
        (["register", "a", "--metadata", "team"], "expected KEY=VALUE"),
        (["alias", "tiny", "live", "1", "--back"], "give one of VERSION, --remove and --back"),
    ],
)
def test_wrong_usage(models: Models, arguments: list[str], said: str):
    usage_error = 2
    assert said in models(*arguments, exit_code=usage_error)


def test_commands_of_trainer_and_orchestrator_are_in_one_group(tmp_path: Path):
    result = CliRunner().invoke(sightwire_app, ["models", "--help"])
    for command in ("register", "list", "show", "alias", "compare", "deprecate", "verify", "export", "import"):
        assert f" {command} " in result.output
    folder = make_bundle(tmp_path)
    assert "tiny 1" in CliRunner().invoke(sightwire_app, ["models", "show", str(folder)]).output
    assert (folder / BUNDLE_FILE).is_file()
