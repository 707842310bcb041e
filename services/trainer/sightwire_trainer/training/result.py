"""The result of a run: its best weights, as a model and as a bundle."""

from pathlib import Path
from typing import Any

import torch

from sightwire.bundles.spec import MeasuredQuality
from sightwire.contracts.training import RunState
from sightwire.errors import NotFoundError
from sightwire_trainer.checkpoints.store import Checkpoint, CheckpointStore
from sightwire_trainer.configuration import TrainingConfiguration, read_configuration
from sightwire_trainer.models.building import build_model
from sightwire_trainer.models.two_tower import TwoTowerModel
from sightwire_trainer.training.folder import RunFolder
from sightwire_trainer.training.outcome import TrainingOutcome
from sightwire_trainer.training.weights import load_trained_weights


def result_of_run(configuration: TrainingConfiguration, folder: Path) -> TwoTowerModel:
    """The model with the best weights of the run in `folder`, averaged if it averages, for evaluation.

    A run that was never evaluated gives those of its last checkpoint.

    Raises:
        NotFoundError: the run has no checkpoint.
        CorruptDataError: the checkpoint cannot be read, or is of another model.
    """
    weights = _best_weights(configuration, folder)
    model = build_model(configuration.model, seed=configuration.seed)
    load_trained_weights(model, weights)
    return model.eval()


def best_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights that training changed of the model that `result_of_run` gives of the run in `folder`.

    Raises:
        InvalidInputError: there is no run.
        NotFoundError: the run has no checkpoint.
        CorruptDataError: the checkpoint cannot be read.
    """
    return _best_weights(read_configuration(RunFolder(folder).configuration), folder)


def outcome_of_run(configuration: TrainingConfiguration, folder: Path) -> TrainingOutcome:
    """What came of the run in `folder`, as its checkpoints tell.

    Raises:
        NotFoundError: the run has no checkpoint.
        CorruptDataError: the checkpoint cannot be read.
    """
    manifest = _checkpoint(configuration, folder).manifest
    return TrainingOutcome(
        state=RunState.COMPLETED,
        folder=folder,
        steps=manifest.step,
        epochs=manifest.epoch,
        measures=manifest.measures,
        best_step=manifest.step,
    )


def export_result(
    configuration: TrainingConfiguration,
    outcome: TrainingOutcome,
    *,
    destination: Path | None = None,
    licence: str = "not stated",
    torch_program: bool = False,
) -> Path:
    """A bundle of the run's best weights, in `destination`, or among the run's `bundles`; answers its folder.

    `licence` is that of the weights; `torch_program` adds the image tower for services that run torch.

    Raises:
        NotFoundError: the run has no checkpoint.
        ExportError: a tower cannot be exported, or answers something else once it is.
    """
    # Exporting needs ONNX, which a run does not.
    from sightwire_trainer.export.bundles import export_bundle

    folder = RunFolder(outcome.folder)
    card = folder.read_card()
    candidates = card.validation.samples
    quality = [
        MeasuredQuality(measure=name, dataset="validation", value=value, candidates=candidates)
        for name, value in sorted(outcome.measures.items())
    ]
    provenance = (
        f"Trained for {outcome.steps} steps ({outcome.epochs} epochs) with seed {configuration.seed} on "
        f"{card.train.samples} samples; the weights are those of step {outcome.best_step or outcome.steps}."
    )
    return export_bundle(
        result_of_run(configuration, outcome.folder),
        configuration,
        destination or folder.bundles,
        card=card,
        quality=quality,
        provenance=provenance,
        quality_method="Measured on the validation set, by which the weights were chosen",
        licence=licence,
        torch_program=torch_program,
    )


def _best_weights(configuration: TrainingConfiguration, folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, Any] = _checkpoint(configuration, folder).state["stepper"]
    weights: dict[str, torch.Tensor] = state["model"]
    averaged: dict[str, torch.Tensor] = state["averaging"] or {}
    # Averaged are those that learn, and constants beside them; frozen ones are only among the weights.
    return weights | {name: tensor for name, tensor in averaged.items() if name in weights}


def _checkpoint(configuration: TrainingConfiguration, folder: Path) -> Checkpoint:
    store = CheckpointStore(RunFolder(folder).checkpoints, select_by=configuration.select_by)
    checkpoint = store.best() or store.last()
    if checkpoint is None:
        raise NotFoundError(f"the run in {folder} has no checkpoint yet; train first")
    return checkpoint
