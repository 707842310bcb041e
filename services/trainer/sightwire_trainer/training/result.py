"""The result of a run: its best weights, as a model and as a bundle."""

from pathlib import Path
from typing import Any

from sightwire.bundles.spec import MeasuredQuality
from sightwire.contracts.training import RunState
from sightwire.errors import NotFoundError
from sightwire_trainer.checkpoints.store import Checkpoint, CheckpointStore
from sightwire_trainer.configuration import TrainingConfiguration
from sightwire_trainer.models.building import build_model
from sightwire_trainer.models.two_tower import TwoTowerModel
from sightwire_trainer.training.averaging import AveragedWeights
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
    checkpoint = _checkpoint(configuration, folder)
    state: dict[str, Any] = checkpoint.state["stepper"]
    model = build_model(configuration.model, seed=configuration.seed)
    load_trained_weights(model, state["model"])
    if configuration.averaging is not None:
        average = AveragedWeights(model, decay=configuration.averaging.decay)
        average.load_state_dict(state["averaging"])
        average.copy_to_model()
    return model.eval()


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


def _checkpoint(configuration: TrainingConfiguration, folder: Path) -> Checkpoint:
    store = CheckpointStore(RunFolder(folder).checkpoints, select_by=configuration.select_by)
    checkpoint = store.best() or store.last()
    if checkpoint is None:
        raise NotFoundError(f"the run in {folder} has no checkpoint yet; train first")
    return checkpoint
