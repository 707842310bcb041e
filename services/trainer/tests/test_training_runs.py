"""Runs from beginning to end: what they leave, how they end early, and what they say when they cannot go on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sightwire_trainer.checkpoints.store import CheckpointStore
from sightwire_trainer.configuration import read_configuration
from sightwire_trainer.training.divergence import DivergedError
from sightwire_trainer.training.naming import run_name
from sightwire_trainer.training.result import result_of_run
from sightwire_trainer.training.run import train

from services.trainer.tests.full_disks import files_of_at_most
from services.trainer.tests.tiny_runs import parsed, picture_content
from sightwire.contracts.training import RunState, TrainingCompleted, TrainingProgress
from sightwire.errors import ConfigurationError, ConflictError, UnavailableError


class _Told:
    """Everything that a run told."""

    def __init__(self) -> None:
        self.steps: list[TrainingProgress] = []
        self.evaluations: list[TrainingProgress] = []
        self.end: TrainingCompleted | None = None

    def progressed(self, progress: TrainingProgress) -> None:
        self.steps.append(progress)

    def evaluated(self, progress: TrainingProgress) -> None:
        self.evaluations.append(progress)

    def ended(self, completed: TrainingCompleted) -> None:
        self.end = completed


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of so small a model only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def content(tmp_path: Path, bundle_folder: Path) -> dict[str, Any]:
    content = picture_content(tmp_path)
    content["model"]["bundle"] = str(bundle_folder)
    return content


def test_a_run_leaves_a_folder_that_says_all(tmp_path: Path, content: dict[str, Any]) -> None:
    configuration, folder, told = parsed(content, tmp_path), tmp_path / "run", _Told()

    outcome = train(configuration, folder, listener=told)

    assert (outcome.state, outcome.steps, outcome.epochs) == (RunState.COMPLETED, 9, 3)
    assert outcome.measures["text_to_image_recall_at_1"] >= 0
    assert [progress.step for progress in told.steps] == list(range(1, 10))
    assert [progress.epoch for progress in told.evaluations] == [0, 1, 2]
    assert told.end is not None
    assert told.end.measures == outcome.measures
    last = told.steps[-1]
    assert last.loss is not None
    assert last.samples_per_second > 0
    assert last.seconds_left == 0
    assert read_configuration(folder / "configuration.yaml") == configuration
    events = [json.loads(line)["event"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert (events.count("step"), events.count("evaluation"), events[-1]) == (9, 3, "end")
    assert list((folder / "tensorboard").glob("events.*"))
    assert json.loads((folder / "dataset-card.json").read_text())


def test_it_learns_what_it_is_shown(tmp_path: Path, content: dict[str, Any]) -> None:
    told = _Told()
    rates = {"trunk_rate": 5e-3, "head_rate": 5e-3, "text_rate": 5e-3}
    train(parsed(content, tmp_path, epochs=12, augmentation=_NONE, optimiser=rates), tmp_path / "run", listener=told)

    losses = [progress.loss for progress in told.steps if progress.loss is not None]
    assert sum(losses[-3:]) < 0.6 * sum(losses[:3])


def test_a_cancelled_run_goes_on_where_it_ended(tmp_path: Path, content: dict[str, Any]) -> None:
    configuration, folder, told = parsed(content, tmp_path), tmp_path / "run", _Told()

    cancelled = train(configuration, folder, listener=told, cancelled=lambda: len(told.steps) == 5)
    assert (cancelled.state, cancelled.steps) == (RunState.CANCELLED, 5)
    resumed = train(configuration, folder, listener=told)

    assert resumed.state == RunState.COMPLETED
    assert [progress.step for progress in told.steps] == list(range(1, 10))
    again = train(configuration, folder)
    assert (again.state, again.steps, again.measures) == (RunState.COMPLETED, 9, resumed.measures)
    fresh = _Told()
    train(configuration, folder, listener=fresh, fresh=True)
    assert len(fresh.steps) == 9


def test_patience_ends_a_run(tmp_path: Path, content: dict[str, Any]) -> None:
    stopping = {"patience": 2, "smallest_gain": 1.0}
    outcome = train(parsed(content, tmp_path, epochs=9, early_stopping=stopping), tmp_path / "run")

    assert outcome.stopped_early
    assert (outcome.epochs, outcome.best_step) == (3, outcome.best_step)


def test_another_configuration_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    folder = tmp_path / "run"
    train(parsed(content, tmp_path, epochs=1), folder)

    with pytest.raises(ConflictError, match=r"epochs \(was 1, is 2\).*--fresh"):
        train(parsed(content, tmp_path, epochs=2), folder)


def test_a_loss_that_is_no_number_ends_the_run_and_leaves_its_checkpoint(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    folder, told = tmp_path / "run", _Told()
    configuration = parsed(content, tmp_path)
    train(configuration, folder, listener=told, cancelled=lambda: len(told.steps) == 2)
    before = CheckpointStore(folder / "checkpoints").last()
    assert before is not None
    poisoned = parsed(content, tmp_path, **_INFINITE)

    with pytest.raises(DivergedError, match="not a finite number"):
        train(poisoned, tmp_path / "poisoned", listener=told)

    assert told.end is not None
    assert told.end.state == RunState.FAILED
    assert "not a finite number" in (told.end.reason or "")
    for manifest in CheckpointStore(tmp_path / "poisoned" / "checkpoints").manifests():
        assert manifest.step < 9
    last = CheckpointStore(tmp_path / "poisoned" / "checkpoints").last()
    assert last is None or all(
        torch.isfinite(tensor).all() for tensor in last.state["stepper"]["model"].values() if tensor.is_floating_point()
    )


def test_a_full_disk_ends_the_run_and_it_goes_on_when_there_is_room(tmp_path: Path, content: dict[str, Any]) -> None:
    configuration, folder = parsed(content, tmp_path), tmp_path / "run"
    told = _Told()
    train(configuration, folder, listener=told, cancelled=lambda: len(told.steps) == 2)

    with files_of_at_most(100_000), pytest.raises(UnavailableError, match="make room"):
        train(configuration, folder)

    assert train(configuration, folder).state == RunState.COMPLETED


def test_a_measure_that_does_not_exist_is_told(tmp_path: Path, content: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"recall_at_one.*text_to_image_recall_at_1"):
        train(parsed(content, tmp_path, select_by="recall_at_one"), tmp_path / "run")


@pytest.mark.parametrize(
    ("objective", "said"),
    [({"distillation": 0.5}, "teachers")],
)
def test_an_objective_that_cannot_be_is_told(
    tmp_path: Path, content: dict[str, Any], objective: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        train(parsed(content, tmp_path, objective=objective), tmp_path / "run")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains(tmp_path: Path, content: dict[str, Any], precision: str) -> None:
    outcome = train(parsed(content, tmp_path, epochs=1, precision=precision), tmp_path / "run")
    assert outcome.state == RunState.COMPLETED


def test_the_result_is_the_averaged_weights_of_the_best_step(tmp_path: Path, content: dict[str, Any]) -> None:
    configuration = parsed(content, tmp_path, averaging={"decay": 0.9, "begin": 0.0})
    outcome = train(configuration, tmp_path / "run")

    model = result_of_run(configuration, tmp_path / "run")

    best = CheckpointStore(tmp_path / "run" / "checkpoints", select_by=configuration.select_by).best()
    assert best is not None
    assert best.manifest.step == outcome.best_step
    average, live = best.state["stepper"]["averaging"], best.state["stepper"]["model"]
    name = next(name for name, parameter in model.named_parameters() if parameter.ndim > 1)
    assert torch.equal(dict(model.named_parameters())[name], average[name])
    assert not torch.equal(average[name], live[name])


def test_runs_are_named_by_their_bundles(tmp_path: Path, content: dict[str, Any]) -> None:
    assert run_name(parsed(content, tmp_path, name="a.model_x", version="1.2")) == "a-model-x-1-2"


_NONE = {
    "rotation": 0,
    "translation": 0,
    "scale": [1, 1],
    "shear": 0,
    "flip": 0,
    "brightness": 0,
    "contrast": 0,
    "saturation": 0,
    "hue": 0,
    "grey": 0,
}
#: A rate that no weight survives.
_INFINITE: dict[str, Any] = {
    "optimiser": {"trunk_rate": 1e30, "head_rate": 1e30, "text_rate": 1e30, "weight_decay": 0, "warmup": 0}
}


def test_while_the_trunk_rests_only_the_head_learns(tmp_path: Path, content: dict[str, Any]) -> None:
    content |= {"optimiser": {"frozen_trunk_epochs": 2}, "evaluate_every": 1, "checkpoints": {"keep": 10}}
    trunk, head = "image.trunk.stem.0.weight", "image.head.layers.1.weight"
    told = _Told()

    train(parsed(content, tmp_path), tmp_path / "run", listener=told)

    store = CheckpointStore(tmp_path / "run" / "checkpoints")
    epochs = [torch.load(folder / "state.pt")["stepper"]["model"] for folder in sorted(store.folder.glob("step-*"))]
    assert torch.equal(epochs[0][trunk], epochs[1][trunk])
    assert not torch.equal(epochs[1][trunk], epochs[2][trunk])
    assert not torch.equal(epochs[0][head], epochs[1][head])


def test_a_run_with_everything_that_the_default_model_is_trained_with(tmp_path: Path, content: dict[str, Any]) -> None:
    content |= {
        "objective": {"all_names": True, "soft_targets": 0.2, "concept_contrast": 0.1},
        "optimiser": {"frozen_trunk_epochs": 1},
        "sizes": [{"begin": 0, "size": 32}, {"begin": 0.5, "size": 48}],
        "pictures_per_concept": 2,
        "averaging": {"decay": 0.9, "begin": 0.5},
    }
    content["model"] |= {"text": {"kind": "minilm"}, "dimension": 384}
    configuration, told = parsed(content, tmp_path), _Told()

    outcome = train(configuration, tmp_path / "run", listener=told)

    assert outcome.steps == 9
    assert read_configuration(tmp_path / "run" / "configuration.yaml") == configuration
    alone = parsed(content, tmp_path, objective={})
    train(alone, tmp_path / "alone", listener=(plain := _Told()))
    assert told.steps[0].loss != plain.steps[0].loss
