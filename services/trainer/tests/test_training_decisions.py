"""What a run decides by itself: rates, averages, when to end, which batches make a step, how long it still takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sightwire_trainer.configuration import EarlyStopping, read_configuration
from sightwire_trainer.data.samples import Batch, BatchPosition
from sightwire_trainer.training.averaging import AveragedWeights
from sightwire_trainer.training.divergence import DivergedError, require_finite
from sightwire_trainer.training.early_stopping import Patience
from sightwire_trainer.training.feasibility import require_feasible
from sightwire_trainer.training.plan import StepPlan, batches_of_steps
from sightwire_trainer.training.progress import Speed
from sightwire_trainer.training.schedule import rate_share
from torch import nn

from services.trainer.tests.tiny_runs import parsed, picture_content
from sightwire.errors import ConfigurationError, InvalidInputError


@pytest.mark.parametrize(
    ("step", "steps", "warmup", "share"),
    [
        (0, 100, 0.1, 0.1),
        (4, 100, 0.1, 0.5),
        (9, 100, 0.1, 1.0),
        (10, 100, 0.1, 1.0),
        (99, 100, 0.1, 0.01),
        (0, 11, 0.0, 1.0),
        (5, 11, 0.0, 0.505),
        (10, 11, 0.0, 0.01),
        (0, 1, 0.05, 1.0),
        (1, 2, 1.0, 1.0),
    ],
)
def test_the_rate_warms_up_and_falls_along_a_cosine(step: int, steps: int, warmup: float, share: float) -> None:
    assert rate_share(step, steps=steps, warmup=warmup, final=0.01) == pytest.approx(share)


def test_before_its_first_step_the_rate_is_none() -> None:
    assert rate_share(-3, steps=10, warmup=0.1, final=0.01) == 0


def test_a_plan_says_when_the_trunk_learns_and_which_size_pictures_have(tmp_path: Path) -> None:
    content = picture_content(tmp_path) | {
        "epochs": 10,
        "sizes": [{"begin": 0, "size": 32}, {"begin": 0.4, "size": 48}],
        "optimiser": {"frozen_trunk_epochs": 2},
    }
    plan = StepPlan.of(parsed(content, tmp_path), batches_per_epoch=3)
    assert plan.first_of_trunk == 6
    assert [plan.size_at(step) for step in (0, 11, 12, 29)] == [32, 32, 48, 48]
    assert StepPlan.of(parsed(picture_content(tmp_path), tmp_path), 3).size_at(8) == 32


@pytest.mark.parametrize("begins", [[0.1], [0, 0.5, 0.4]])
def test_sizes_that_do_not_follow_each_other_are_refused(begins: list[float], tmp_path: Path) -> None:
    sizes = [{"begin": begin, "size": 32} for begin in begins]
    with pytest.raises(InvalidInputError, match="`sizes` must begin at 0"):
        parsed(picture_content(tmp_path), tmp_path, sizes=sizes)


@pytest.mark.parametrize(
    ("changes", "model", "message"),
    [
        ({"objective": {"distillation": 0.5}}, {}, "as `objective.teachers`"),
        ({"objective": {"all_names": True}}, {}, "kind: minilm"),
        ({"sizes": [{"begin": 0, "size": 48}]}, {"image": {"kind": "vit"}}, "not for vit"),
        ({"sizes": [{"begin": 0, "size": 48}]}, {"image": {"kind": "detector"}}, "multiples of 32; `sizes` has 48"),
        (
            {"optimiser": {"frozen_trunk_epochs": 1}},
            {"image": None, "documents": {"kind": "transformer"}},
            "which this model has not",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_anything_is_opened(
    changes: dict[str, Any], model: dict[str, Any], message: str, tmp_path: Path
) -> None:
    content = picture_content(tmp_path)
    configuration = parsed(content | {"model": content["model"] | model}, tmp_path, **changes)
    with pytest.raises(ConfigurationError, match=message):
        require_feasible(configuration)


def test_the_default_models_configuration_is_one() -> None:
    configuration = read_configuration(Path(__file__).parents[1] / "configurations" / "default.yaml")
    require_feasible(configuration)
    assert max(part.size for part in configuration.sizes) <= configuration.model.size


def test_the_rate_never_rises_after_the_warm_up() -> None:
    shares = [rate_share(step, steps=57, warmup=0.1, final=0.0) for step in range(57)]
    assert shares[6:] == sorted(shares[6:], reverse=True)
    assert shares[-1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("measures", "gain", "ended_after"),
    [
        ([0.1, 0.2, 0.3, 0.4], 0.0, None),
        ([0.3, 0.2, 0.1, 0.4], 0.0, 3),
        ([0.3, 0.3, 0.3], 0.0, 3),
        ([0.1, 0.105, 0.109, 0.2], 0.01, 3),
        ([0.1, 0.05, 0.2, 0.1], 0.0, None),
    ],
)
def test_patience_ends_with_measures_that_do_not_get_better(
    measures: list[float], gain: float, ended_after: int | None
) -> None:
    limits = EarlyStopping(patience=2, smallest_gain=gain)
    patience, ended = Patience(), None
    for count, measure in enumerate(measures, start=1):
        patience = patience.after(measure, limits)
        if patience.is_exhausted(limits) and ended is None:
            ended = count
    assert ended == ended_after


def test_averages_follow_weights_and_statistics_and_leave_the_model_its_own() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1, affine=False))
    weight, norm = model[0].weight, model[1]
    average = AveragedWeights(model, decay=0.75)
    for value in (0.0, 4.0, 8.0):
        with torch.no_grad():
            weight.fill_(value)
            norm.running_mean.fill_(2 * value)
            norm.num_batches_tracked += 1
        average.update()

    with average.applied():
        # 0; then a quarter of the way to 4, which is 1; then a quarter of the way to 8.
        assert weight.item() == pytest.approx(1 + 7 / 4)
        assert norm.running_mean.item() == pytest.approx(2 * (1 + 7 / 4))
        assert norm.num_batches_tracked.item() == 3
    assert (weight.item(), norm.running_mean.item()) == (8.0, 16.0)

    again = AveragedWeights(model, decay=0.75)
    again.load_state_dict(average.state_dict())
    again.copy_to_model()
    assert weight.item() == pytest.approx(1 + 7 / 4)


@pytest.mark.parametrize(
    ("begin", "accumulate", "groups"),
    [
        ((0, 0), 1, [1, 1, 1, 1, 1, 1]),
        ((0, 0), 2, [2, 1, 2, 1]),
        ((0, 2), 2, [1, 2, 1]),
        ((0, 0), 5, [3, 3]),
    ],
)
def test_steps_take_batches_of_one_epoch(begin: tuple[int, int], accumulate: int, groups: list[int]) -> None:
    position = BatchPosition(*begin)
    found = list(batches_of_steps(_two_epochs_of_three(position), position, accumulate))
    assert [len(group) for group in found] == groups


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_told(value: float) -> None:
    require_finite("the loss of step 3", 1.5)
    with pytest.raises(DivergedError, match="the loss of step 3 is"):
        require_finite("the loss of step 3", value)


def test_speed_and_time_left_do_not_count_evaluations() -> None:
    speed = Speed(100.0)
    assert speed.seconds_left(10) is None
    speed.took_step(101.0, 32)
    speed.took_step(102.0, 32)
    speed.paused(50.0)
    speed.took_step(153.0, 32)
    assert speed.samples_per_second == pytest.approx(32)
    assert speed.seconds_left(7) == pytest.approx(7)


def _two_epochs_of_three(position: BatchPosition) -> Iterator[Batch]:
    for epoch, number in [(epoch, number) for epoch in range(2) for number in range(3)]:
        if (epoch, number) >= (position.epoch, position.batch):
            following = BatchPosition(epoch, number + 1) if number < 2 else BatchPosition(epoch + 1, 0)
            yield Batch(None, ("a",), ("b",), torch.zeros(1, dtype=torch.int64), following)
