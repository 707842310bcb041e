"""Space files: what they may say, and what a wrong one is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from optuna.trial import FixedTrial
from sightwire_trainer.hyperparameters.base_configuration import BaseConfiguration
from sightwire_trainer.hyperparameters.index_trials import IndexTrials, Measurement, objective, require_fitting
from sightwire_trainer.hyperparameters.space import IndexSpace, TrainingSpace, read_space, shown, suggested

from sightwire.errors import InvalidInputError

_CONFIGURATIONS = Path(__file__).parents[1] / "configurations"
_RATE = {"kind": "float", "low": 1e-4, "high": 1e-2, "log": True}
_BASE = {
    "name": "a",
    "version": "1",
    "space": "a-1",
    "data": {"train": [{"kind": "tar", "path": "a.tar"}]},
}


def _written(folder: Path, content: Any, name: str = "space.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("nothing", "does not describe a search"),
        ({"parameters": {"epochs": _RATE}}, "of"),
        ({"of": "training"}, "parameters: Field required"),
        ({"of": "training", "parameters": {}}, "parameters: Dictionary should have at least 1 item"),
        ({"of": "training", "parameters": {"a": {"kind": "float", "low": 2, "high": 1}}}, "expected `low` less than"),
        ({"of": "training", "parameters": {"a": {"kind": "float", "low": 0, "high": 1, "log": True}}}, "above 0"),
        ({"of": "training", "parameters": {"a": {"kind": "int", "low": 1, "high": 9, "log": True, "step": 2}}}, "step"),
        ({"of": "training", "parameters": {"a": {"kind": "choice", "of": []}}}, "parameters.a.of"),
        ({"of": "training", "parameters": {"a": {"kind": "text"}}}, "parameters.a"),
        ({"of": "training", "parameters": {"a": _RATE}, "prune": {}}, "prune: Extra inputs"),
        ({"of": "index", "vectors": "a.npy", "parameters": {"m": _RATE}}, "milliseconds: Field required"),
    ],
)
def test_a_wrong_space_file_is_told_in_one_line(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match="does not describe a search") as raised:
        read_space(_written(tmp_path, content))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_there_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot read .*nowhere\.yaml"):
        read_space(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ({"optimizer.head_rate": _RATE}, "optimizer: Extra inputs are not permitted"),
        ({"optimiser.head_rates": _RATE}, "optimiser.head_rates: Extra inputs are not permitted"),
        ({"epochs.many": _RATE}, "epochs has no keys of its own"),
        ({"epochs": {"kind": "int", "low": 0, "high": 3}}, "with epochs=0 does not describe a training run"),
        ({"precision": {"kind": "choice", "of": ["float32", "float8"]}}, "with precision=float8"),
    ],
)
def test_a_space_that_does_not_fit_the_configuration_is_told_before_any_trial(
    tmp_path: Path, parameter: dict[str, Any], said: str
) -> None:
    base = BaseConfiguration(_written(tmp_path, _BASE | {"epochs": 3}, "base.yaml"))
    space = read_space(_written(tmp_path, {"of": "training", "parameters": parameter}))
    with pytest.raises(InvalidInputError, match=said.replace(".", r"\.")):
        base.require_fitting(space.parameters)


def test_values_are_laid_over_the_configuration_and_leave_it_as_it_was(tmp_path: Path) -> None:
    base = BaseConfiguration(_written(tmp_path, _BASE, "base.yaml"))
    parameters = {
        "optimiser.head_rate": _RATE,
        "averaging.decay": {"kind": "float", "low": 0.9, "high": 0.99},
        "batch_size": {"kind": "int", "low": 32, "high": 128, "step": 32},
        "model.head_widths": {"kind": "choice", "of": [[], [64, 32]]},
    }
    space = read_space(_written(tmp_path, {"of": "training", "parameters": parameters}))
    stored = {"optimiser.head_rate": 0.002, "averaging.decay": 0.95, "batch_size": 64, "model.head_widths": 1}

    values = suggested(space.parameters, FixedTrial(stored))  # type: ignore[arg-type]
    chosen = base.with_values(values)

    assert values == shown(space.parameters, stored)
    assert (chosen.optimiser.head_rate, chosen.batch_size, chosen.model.head_widths) == (0.002, 64, (64, 32))
    assert chosen.averaging is not None
    assert chosen.averaging.decay == 0.95
    assert base.configuration.batch_size == 256
    assert base.with_values({}) == base.configuration


def test_the_spaces_that_come_with_the_trainer_fit() -> None:
    training = read_space(_CONFIGURATIONS / "search-training.yaml")
    assert isinstance(training, TrainingSpace)
    index = read_space(_CONFIGURATIONS / "search-index.yaml")
    assert isinstance(index, IndexSpace)
    require_fitting(index.fixed, index.parameters)


def test_the_training_space_fits_any_configuration(tmp_path: Path) -> None:
    training = read_space(_CONFIGURATIONS / "search-training.yaml")
    BaseConfiguration(_written(tmp_path, _BASE, "base.yaml")).require_fitting(training.parameters)


@pytest.mark.parametrize(
    ("recall", "milliseconds", "expected"), [(0.9, 0.5, 0.9), (0.9, 1.0, 0.9), (0.99, 1.5, -0.5), (1.0, 4.0, -3.0)]
)
def test_an_index_that_is_too_slow_is_worth_less_than_any_other(
    recall: float, milliseconds: float, expected: float
) -> None:
    assert objective(Measurement(recall, milliseconds), 1.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (None, "cannot read vectors"),
        (np.zeros(3, np.float32), r"expected vectors as \[rows, dimension\]"),
        (np.ones((1, 4), np.float32), "expected at least two vectors"),
        (np.full((4, 4), np.nan, np.float32), "vector 0"),
    ],
)
def test_vectors_that_cannot_be_indexed_are_told(tmp_path: Path, vectors: Any, said: str) -> None:
    if vectors is not None:
        np.save(tmp_path / "vectors.npy", vectors)
    content = {
        "of": "index",
        "vectors": "vectors.npy",
        "milliseconds": 1,
        "parameters": {"m": {"kind": "int", "low": 4, "high": 8}},
    }
    space = read_space(_written(tmp_path, content))
    assert isinstance(space, IndexSpace)
    with pytest.raises(InvalidInputError, match=said):
        IndexTrials(space, tmp_path / "indexes")
