"""A run that was killed, at any step or while it wrote a checkpoint, ends as if nothing had happened."""

import multiprocessing
import random
import signal
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import torch
from sightwire_trainer.checkpoints.store import CheckpointStore

from services.trainer.tests.killable_runs import MOMENTS_OF_A_CHECKPOINT, train_and_be_killed
from services.trainer.tests.tiny_runs import picture_content, text_content

_KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "queue": {"objective": {"queue": {"size": 20, "momentum": 0.9}}},
    "averaging": {"averaging": {"decay": 0.9, "begin": 0.3}},
    "accumulation": {"accumulate": 2, "batch_size": 4},
    "hard negatives": {"objective": {"hard_negatives": {"per_sample": 2, "begin": 1, "every": 2}}, "epochs": 4},
}


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Starts processes that have imported torch already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sightwire_trainer.training.run"])
    return context


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", _KINDS)
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(
    kind: str, tmp_path: Path, processes: ForkServerContext, bundle_folder: Path
) -> None:
    content = picture_content(tmp_path) | _KINDS[kind]
    content["model"]["bundle"] = str(bundle_folder)
    chance = random.Random(kind)
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    assert _exit_code(processes, content, tmp_path, undisturbed) == 0

    at_step, at_moment = chance.randrange(1, 5), chance.randrange(MOMENTS_OF_A_CHECKPOINT)
    assert _exit_code(processes, content, tmp_path, disturbed, kill_at_step=at_step) == -signal.SIGKILL
    assert _exit_code(processes, content, tmp_path, disturbed, kill_at_moment=at_moment) == -signal.SIGKILL
    assert _exit_code(processes, content, tmp_path, disturbed, kill_at_step=1) in (-signal.SIGKILL, 0)
    assert _exit_code(processes, content, tmp_path, disturbed) == 0

    _assert_equal(_final_state(undisturbed), _final_state(disturbed))


@pytest.mark.timeout(600)
def test_texts_found_by_texts_go_on_too(tmp_path: Path, processes: ForkServerContext, bundle_folder: Path) -> None:
    content = text_content(tmp_path)
    content["model"]["bundle"] = str(bundle_folder)
    content["model"]["dropout"] = 0.2
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    assert _exit_code(processes, content, tmp_path, undisturbed) == 0

    assert _exit_code(processes, content, tmp_path, disturbed, kill_at_step=3) == -signal.SIGKILL
    assert _exit_code(processes, content, tmp_path, disturbed) == 0

    _assert_equal(_final_state(undisturbed), _final_state(disturbed))


def _exit_code(
    processes: ForkServerContext,
    content: dict[str, Any],
    base: Path,
    folder: Path,
    *,
    kill_at_step: int | None = None,
    kill_at_moment: int | None = None,
) -> int:
    process = processes.Process(target=train_and_be_killed, args=(content, base, folder, kill_at_step, kill_at_moment))
    process.start()
    process.join(240)
    assert process.exitcode is not None, "the run did not end in time"
    return process.exitcode


def _final_state(folder: Path) -> dict[str, Any]:
    last = CheckpointStore(folder / "checkpoints").last()
    assert last is not None
    return {"stepper": last.state["stepper"], "step": last.manifest.step}


def _assert_equal(expected: Any, found: Any, path: str = "state") -> None:
    """Equal to the last bit."""
    if isinstance(expected, torch.Tensor):
        assert torch.equal(expected, found), path
    elif isinstance(expected, dict):
        assert expected.keys() == found.keys(), path
        for name in expected:
            _assert_equal(expected[name], found[name], f"{path}.{name}")
    elif isinstance(expected, list | tuple):
        assert len(expected) == len(found), path
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            _assert_equal(one, other, f"{path}[{number}]")
    else:
        assert expected == found, path
