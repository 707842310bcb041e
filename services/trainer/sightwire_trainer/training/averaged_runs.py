"""One model of several runs: the average of their weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sightwire.errors import InvalidInputError
from sightwire_trainer.checkpoints.agreement import told_differences
from sightwire_trainer.configuration import TrainingConfiguration, read_configuration
from sightwire_trainer.data.datasets import open_training_data
from sightwire_trainer.evaluation.model import evaluate_model
from sightwire_trainer.evaluation.model_encoders import ModelEncoders
from sightwire_trainer.models.building import build_model
from sightwire_trainer.training.folder import RunFolder
from sightwire_trainer.training.outcome import TrainingOutcome
from sightwire_trainer.training.result import best_weights, outcome_of_run
from sightwire_trainer.training.weights import load_trained_weights


@dataclass(frozen=True, slots=True)
class AveragedRuns:
    """The bundle, its model's trained weights, and how good it and each of the runs are on the validation set."""

    bundle: Path
    weights: dict[str, torch.Tensor]
    measures: dict[str, float]
    runs: tuple[TrainingOutcome, ...]


def average_runs(
    folders: Sequence[Path],
    destination: Path,
    *,
    cache: Path | None = None,
    licence: str = "not stated",
    torch_program: bool = False,
) -> AveragedRuns:
    """A bundle of the mean of the best weights of runs ("model soups", Wortsman et al. 2022), in `destination`.

    The runs are of one configuration with several seeds and begin with the same weights, as only such runs end in one
    valley of the loss. The statistics of batch norms are averaged as weights are. `cache` is as for training.

    Raises:
        InvalidInputError: fewer than two runs, or runs that do not go together.
        NotFoundError: a run has no checkpoint.
        ExportError: as `export_bundle`.
    """
    configurations = [read_configuration(RunFolder(folder).configuration) for folder in folders]
    _require_together(folders, configurations)
    configuration = configurations[0]
    model = build_model(configuration.model, seed=configuration.seed)
    weights = _mean([best_weights(folder) for folder in folders])
    load_trained_weights(model, weights)
    model.eval()
    data = open_training_data(configuration, cache=cache)
    measures = evaluate_model(ModelEncoders(model, size=configuration.model.size), data.validation)

    # Exporting needs ONNX, which training does not.
    from sightwire_trainer.export.bundles import export_bundle, measured_quality

    runs = tuple(map(outcome_of_run, configurations, folders))
    seeds = _listed([each.seed for each in configurations])
    bundle = export_bundle(
        model,
        configuration,
        destination,
        card=data.card,
        quality=measured_quality(measures, dataset="validation", candidates=len(data.validation)),
        provenance=(
            f"The mean of the weights of {len(folders)} runs with the seeds {seeds}, each trained on "
            f"{data.card.train.samples} samples; theirs are those of the steps "
            f"{_listed([run.best_step or run.steps for run in runs])}."
        ),
        quality_method="Measured on the validation set, by which the weights of each run were chosen",
        licence=licence,
        torch_program=torch_program,
    )
    return AveragedRuns(bundle, weights, measures, runs)


def _require_together(folders: Sequence[Path], configurations: Sequence[TrainingConfiguration]) -> None:
    if len(folders) < 2:
        raise InvalidInputError(f"expected at least two runs to average, got {len(folders)}")
    first = configurations[0]
    for folder, other in zip(folders[1:], configurations[1:], strict=True):
        differences = told_differences(first.model_dump(mode="json"), other.model_dump(mode="json"), but="seed")
        if differences:
            raise InvalidInputError(f"{folder} is of another configuration than {folders[0]}: {differences}")
        if other.seed != first.seed and first.begin_with is None and first.model.init_from is None:
            raise InvalidInputError(
                f"{folder} and {folders[0]} began with different random weights, whose mean is no model: train each "
                "with `begin_with`, the folder of one run that they all go on from"
            )


def _mean(models: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of each weight; counters are the first model's."""
    return {
        name: torch.stack([weights[name] for weights in models]).mean(dim=0) if tensor.is_floating_point() else tensor
        for name, tensor in models[0].items()
    }


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
