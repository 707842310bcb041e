"""`sightwire models show` of a bundle in a folder: all that it says of itself, also when files are missing."""

import hashlib
import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from sightwire.bundles import BUNDLE_FILE, BundleError
from sightwire.cli.models import show


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "text.onnx").write_bytes(b"graph")
    files = ("text.onnx", "tokenizer.json")
    description = {
        "format": 1,
        "name": "small",
        "version": "3",
        "space": "small-3",
        "dimension": 8,
        "metric": "cosine",
        "description": "for tests",
        "text_encoder": {"file": "text.onnx", "tokenizer": "tokenizer.json", "max_tokens": 16, "padded_length": 20},
        "provenance": "made up",
        "quality": [{"measure": "recall_at_10", "dataset": "drawn", "value": 0.25, "candidates": 400}],
        "files": [
            {"path": path, "sha256": hashlib.sha256(b"graph").hexdigest(), "licence": "CC0-1.0", "origin": "a test"}
            for path in files
        ],
    }
    (tmp_path / BUNDLE_FILE).write_text(yaml.safe_dump(description))
    return tmp_path


def run(*arguments: object) -> str:
    # By itself: other distributions may replace it in `sightwire models`.
    app = typer.Typer()
    app.command()(show)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False, env=WIDE)
    assert result.exit_code == 0, result.output
    return result.stdout


WIDE = {"COLUMNS": "200"}


def test_a_bundle_in_a_folder(bundle: Path):
    printed = run(bundle)
    for said in (
        "small 3",
        "small-3, 8 dimensions, cosine",
        "up to 16 tokens, padded to 20",
        "recall_at_10",
        "missing",
    ):
        assert said in printed
    assert json.loads(run(bundle, "--json"))["dimension"] == 8


def test_a_folder_without_a_bundle(tmp_path: Path):
    with pytest.raises(BundleError, match=r"cannot read .*bundle\.yaml"):
        run(tmp_path)
