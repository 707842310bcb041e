"""Several processes that torchrun starts train as one with their batches joined."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from sightwire_trainer.checkpoints.store import CheckpointStore

from services.trainer.tests.tiny_runs import ONE_THREAD, text_content


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "changes",
    [{}, {"accumulate": 2}, {"objective": {"hard_negatives": {"per_sample": 2, "begin": 0}}}],
    ids=["plain", "accumulation", "hard negatives"],
)
def test_two_processes_end_with_the_weights_of_one_with_batches_twice_as_large(
    changes: dict[str, Any], tmp_path: Path, bundle_folder: Path
) -> None:
    content = text_content(tmp_path, samples=32) | {"epochs": 2} | changes
    content["model"]["bundle"] = str(bundle_folder)
    alone = _write(tmp_path / "alone.yaml", content | {"batch_size": 8})
    joined = _write(tmp_path / "joined.yaml", content | {"batch_size": 4})

    _run([sys.executable, "-m", "sightwire.cli", *_train(alone, tmp_path / "alone")])
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    _run([*launcher, "-m", "sightwire.cli", *_train(joined, tmp_path / "joined")])

    expected, found = _weights(tmp_path / "alone"), _weights(tmp_path / "joined")
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(
            found[name], tensor, atol=1e-5, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )
    log = (tmp_path / "joined" / "log.jsonl").read_text().splitlines()
    assert len(log) == len((tmp_path / "alone" / "log.jsonl").read_text().splitlines())


def _write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _train(configuration: Path, folder: Path) -> list[str]:
    return ["train", str(configuration), "--out", str(folder), "--no-export"]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=ONE_THREAD)
    assert done.returncode == 0, done.stdout + done.stderr


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    last = CheckpointStore(folder / "checkpoints").last()
    assert last is not None
    weights: dict[str, torch.Tensor] = last.state["stepper"]["model"]
    return weights
