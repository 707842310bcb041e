"""Runs of several seeds that go on from one run become one model: the mean of their weights."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sightwire_trainer.commands.models import app
from sightwire_trainer.training.averaged_runs import average_runs
from sightwire_trainer.training.result import best_weights
from sightwire_trainer.training.run import train
from typer.testing import CliRunner

from services.trainer.tests.tiny_runs import parsed, picture_content
from sightwire.bundles import load_bundle
from sightwire.errors import CorruptDataError, InvalidInputError


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of so small a model only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def content(tmp_path: Path, bundle_folder: Path) -> dict[str, Any]:
    content = picture_content(tmp_path) | {"epochs": 1, "averaging": {"decay": 0.5, "begin": 0}}
    content["model"]["bundle"] = str(bundle_folder)
    return content


def test_runs_that_go_on_from_one_become_one_model(tmp_path: Path, content: dict[str, Any]) -> None:
    train(parsed(content, tmp_path), tmp_path / "first")
    further = content | {"begin_with": "first"}
    folders = [tmp_path / "one", tmp_path / "two"]
    for seed, folder in enumerate(folders, start=1):
        train(parsed(further, tmp_path, seed=seed), folder)
    first, one, two = (best_weights(folder) for folder in (tmp_path / "first", *folders))
    name = "image.head.layers.1.weight"
    distance = (one[name] - first[name]).abs().mean()
    assert 0 < distance < 0.1 * first[name].abs().mean(), "it goes on from the first run's weights"

    answered = CliRunner().invoke(
        app, ["average", *map(str, folders), "--out", str(tmp_path / "bundles"), "--json"], catch_exceptions=False
    )

    assert answered.exit_code == 0, answered.output
    told = json.loads(answered.output)
    assert list(told["runs"]) == [str(folder) for folder in folders]
    assert told["measures"].keys() == told["runs"][str(folders[0])].keys()
    spec = load_bundle(Path(told["bundle"])).spec
    assert "2 runs with the seeds 1, 2" in spec.provenance
    weights = average_runs(folders, tmp_path / "again").weights
    torch.testing.assert_close(weights[name], (one[name] + two[name]) / 2)


def test_runs_that_do_not_go_together_are_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    folders = [tmp_path / "one", tmp_path / "two", tmp_path / "longer"]
    for seed, folder in enumerate(folders):
        train(parsed(content, tmp_path, seed=seed, epochs=seed // 2 + 1), folder)
    with pytest.raises(InvalidInputError, match=r"different random weights.*begin_with"):
        average_runs(folders[:2], tmp_path / "bundles")
    with pytest.raises(InvalidInputError, match=r"another configuration than .*: epochs \(was 1, is 2\)"):
        average_runs(folders[1:], tmp_path / "bundles")
    with pytest.raises(InvalidInputError, match="at least two"):
        average_runs(folders[:1], tmp_path / "bundles")


def test_a_run_begins_with_weights_of_its_own_model_alone(tmp_path: Path, content: dict[str, Any]) -> None:
    train(parsed(content, tmp_path), tmp_path / "first")
    wider = content["model"] | {"head_widths": [32]}
    with pytest.raises(CorruptDataError, match=r"of another model: image\.head"):
        train(parsed(content, tmp_path, begin_with="first", model=wider), tmp_path / "wider")
