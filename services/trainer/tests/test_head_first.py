"""The head learns before the first epoch, by features that are computed once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from sightwire_trainer.configuration import TrainingConfiguration
from sightwire_trainer.models.building import build_model
from sightwire_trainer.training.averaged_runs import average_runs
from sightwire_trainer.training.result import best_weights
from sightwire_trainer.training.run import train

from services.trainer.tests.tiny_runs import ONE_THREAD, parsed, picture_content
from sightwire.errors import ConfigurationError, InvalidInputError

_TRUNK, _HEAD = "image.trunk.stem.0.weight", "image.head.layers.1.weight"


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of so small a model only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def content(tmp_path: Path, bundle_folder: Path) -> dict[str, Any]:
    content = picture_content(tmp_path) | {"epochs": 0, "head_first": {"steps": 40, "batch_size": 12, "size": 48}}
    content["model"] |= {"bundle": str(bundle_folder), "text": {"kind": "minilm"}, "dimension": 384}
    return content


def untrained(configuration: TrainingConfiguration) -> dict[str, torch.Tensor]:
    return build_model(configuration.model, seed=configuration.seed).state_dict()


def test_only_the_head_learns_and_the_run_ends_with_measures(tmp_path: Path, content: dict[str, Any]) -> None:
    configuration = parsed(content, tmp_path, objective={"all_names": True, "soft_targets": 0.2})
    outcome = train(configuration, tmp_path / "run")

    assert (outcome.steps, outcome.best_step) == (0, 0)
    assert "text_to_image_recall_at_1" in outcome.measures
    before, after = untrained(configuration), best_weights(tmp_path / "run")
    assert torch.equal(after[_TRUNK], before[_TRUNK])
    assert not torch.equal(after[_HEAD], before[_HEAD])
    assert not torch.equal(after["image.head.norm.running_mean"], before["image.head.norm.running_mean"])


def test_the_head_is_the_same_for_a_seed_and_not_trained_again(tmp_path: Path, content: dict[str, Any]) -> None:
    configuration = parsed(content, tmp_path)
    train(configuration, tmp_path / "run")
    train(configuration, tmp_path / "again")
    first, again = best_weights(tmp_path / "run"), best_weights(tmp_path / "again")
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())

    assert train(configuration, tmp_path / "run").measures
    assert torch.equal(best_weights(tmp_path / "run")[_HEAD], first[_HEAD])


def test_runs_of_several_seeds_go_on_from_one_head(tmp_path: Path, content: dict[str, Any]) -> None:
    train(parsed(content, tmp_path), tmp_path / "head")
    slowly = content | {
        "epochs": 1,
        "begin_with": "head",
        "optimiser": {"trunk_rate": 1e-12, "head_rate": 1e-12, "weight_decay": 0},
    }
    for seed in (0, 1):
        train(parsed(slowly, tmp_path, seed=seed), tmp_path / f"seed-{seed}")

    averaged = average_runs([tmp_path / "seed-0", tmp_path / "seed-1"], tmp_path / "bundles")

    torch.testing.assert_close(averaged.weights[_HEAD], best_weights(tmp_path / "head")[_HEAD], atol=1e-6, rtol=0)


@pytest.mark.timeout(300)
def test_processes_share_the_features_and_have_one_head(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "joined.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = ["-m", "sightwire.cli", "train", str(path), "--out", str(tmp_path / "joined"), "--no-export"]
    done = subprocess.run(
        [*launcher, *command], capture_output=True, text=True, timeout=200, check=False, env=ONE_THREAD
    )
    assert done.returncode == 0, done.stdout + done.stderr

    before, after = untrained(parsed(content, tmp_path)), best_weights(tmp_path / "joined")
    assert torch.equal(after[_TRUNK], before[_TRUNK])
    assert (after[_HEAD] - before[_HEAD]).abs().amax() > 0.01


def test_what_has_no_head_to_train_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="which this model has not"):
        train(parsed(content, tmp_path, model={"image": None, "documents": {"kind": "transformer"}}), tmp_path / "run")
    with pytest.raises(InvalidInputError, match="nothing learns in 0 `epochs`"):
        parsed(content, tmp_path, head_first=None)
