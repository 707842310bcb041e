"""`sightwire train`: what it takes, and how it ends."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from sightwire_trainer.commands.train import configuration_with

from services.trainer.tests.tiny_runs import ONE_THREAD, picture_content
from sightwire.errors import InvalidInputError


@pytest.fixture
def configuration(tmp_path: Path, bundle_folder: Path) -> Path:
    content = picture_content(tmp_path)
    content["model"]["bundle"] = str(bundle_folder)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_single_keys_can_be_set(configuration: Path) -> None:
    changes = ["optimiser.head_rate=2e-3", "averaging.decay=0.99", "epochs=7", "data.skip_corrupt=true"]
    chosen = configuration_with(configuration, changes)

    assert (chosen.optimiser.head_rate, chosen.epochs, chosen.data.skip_corrupt) == (0.002, 7, True)
    assert chosen.averaging is not None
    assert chosen.averaging.decay == 0.99


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("epochs", "expected --set KEY.PATH=VALUE"),
        ("=3", "expected --set KEY.PATH=VALUE"),
        ("epochs=-1", "epochs: Input should be greater than or equal to 0"),
        ("epochs.many=3", "epochs has no keys of its own"),
        ("optimizer.head_rate=1", "optimizer: Extra inputs are not permitted"),
        ("epochs=[", "expected a value as in YAML"),
    ],
)
def test_a_wrong_change_is_told(configuration: Path, change: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said.replace("[", r"\[")) as raised:
        configuration_with(configuration, [change])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read the training configuration"),
        ("a: [", "is no YAML"),
        ("- 1", "does not describe a training run"),
        ("name: x", "does not describe a training run"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "wrong.yaml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=said) as raised:
        configuration_with(path, [])
    assert "\n" not in str(raised.value)


@pytest.mark.timeout(300)
def test_sigterm_ends_a_run_after_a_checkpoint_and_the_same_command_goes_on(
    configuration: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    command = _command(configuration, folder, "--set", "epochs=400", "--set", "checkpoints.every_steps=1000000")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ONE_THREAD)
    _wait_for_steps(folder / "log.jsonl", process)
    process.send_signal(signal.SIGTERM)
    answer, _ = process.communicate(timeout=120)

    assert process.returncode == 3
    interrupted = json.loads(answer)
    assert interrupted["state"] == "cancelled"
    assert (folder / "checkpoints" / f"step-{interrupted['steps']:08d}" / "state.pt").is_file()
    refused = _run(_command(configuration, folder, "--set", "epochs=1"))
    assert refused.returncode == 1
    assert "epochs (was 400, is 1)" in " ".join(refused.stderr.split())
    fresh = _run(_command(configuration, folder, "--set", "epochs=1", "--fresh"))
    assert fresh.returncode == 0, fresh.stderr
    assert json.loads(fresh.stdout)["steps"] == 3


def test_there_must_be_a_run_to_go_on_with(configuration: Path, tmp_path: Path) -> None:
    refused = _run(_command(configuration, tmp_path / "nowhere", "--resume"))
    assert refused.returncode == 1
    assert "there is no run in" in refused.stderr


def _command(configuration: Path, folder: Path, *options: str) -> list[str]:
    train = ["train", str(configuration), "--out", str(folder), "--no-export", "--json"]
    return [sys.executable, "-m", "sightwire.cli", *train, *options]


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=ONE_THREAD)


def _wait_for_steps(log: Path, process: "subprocess.Popen[Any]") -> None:
    deadline = time.monotonic() + 120
    while not (log.exists() and log.stat().st_size):
        assert process.poll() is None, "the run ended before its first step"
        assert time.monotonic() < deadline, "the run took no step in time"
        time.sleep(0.05)
