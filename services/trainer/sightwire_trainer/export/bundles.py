"""A trained model as a bundle that the embedder serves."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from sightwire.bundles import Bundle
from sightwire.bundles.spec import ImageEncoderSpec, MeasuredQuality
from sightwire_trainer.configuration import TrainingConfiguration
from sightwire_trainer.data.card import DatasetCard
from sightwire_trainer.export.bundle_writer import BundleWriter
from sightwire_trainer.export.onnx_graphs import onnx_graph
from sightwire_trainer.export.text_encoders import write_text_encoder
from sightwire_trainer.export.torch_programs import save_torch_program
from sightwire_trainer.export.tower_programs import image_program
from sightwire_trainer.models.image_tower import TrunkAndHead
from sightwire_trainer.models.starting_bundle import open_starting_bundle
from sightwire_trainer.models.two_tower import TwoTowerModel

CONFIGURATION_FILE: Final = "training.yaml"
CARD_FILE: Final = "dataset-card.yaml"
TORCH_PROGRAM_FILE: Final = "image-encoder.pt2"
_TRAINED: Final = "trained as `provenance` and training.yaml say"


def export_bundle(
    model: TwoTowerModel,
    configuration: TrainingConfiguration,
    destination: Path,
    *,
    card: DatasetCard | None,
    quality: Sequence[MeasuredQuality],
    provenance: str,
    quality_method: str = "",
    licence: str = "not stated",
    base: Path | None = None,
    torch_program: bool = False,
) -> Path:
    """Writes the bundle `destination/<name>-<version>`, named as the configuration says, and answers that folder.

    Detector and classes, and what of texts the model did not learn, are those of the bundle in `base`; none: the one
    that the model was built from. `licence` is that of the trained weights. `torch_program` adds the image tower for
    services that run torch. Every graph is compared with the model first; a bundle of that name is replaced at once.

    Raises:
        ExportError: a tower cannot be exported, or answers something else once it is.
        BundleError: the base is no whole bundle.
    """
    source = open_starting_bundle(base or configuration.model.bundle)
    with BundleWriter(destination, configuration.name, configuration.version) as writer:
        members: dict[str, Any] = {}
        if model.image is not None:
            members["image_encoder"] = _write_image_encoder(writer, model.image, licence, torch_program=torch_program)
            members |= _detector_of(writer, source)
        if model.documents is not None and not (model.documents.is_frozen and model.text.is_frozen):
            members["document_encoder"] = write_text_encoder(
                writer, model.documents, source, stem="document-encoder", licence=licence, origin=_TRAINED
            )
        members["text_encoder"] = write_text_encoder(
            writer, model.text, source, stem="text-encoder", licence=licence, origin=_TRAINED
        )
        _write_background(writer, configuration, card)
        return writer.publish(
            space=configuration.space,
            dimension=model.dimension,
            metric="cosine",
            description=configuration.description or f"Trained as {configuration.name} {configuration.version}",
            background=source.spec.background,
            **members,
            provenance=provenance,
            quality_method=quality_method,
            quality=list(quality),
        )


def measured_quality(
    measures: Mapping[str, float], *, dataset: str, candidates: int | None = None
) -> list[MeasuredQuality]:
    """Measures by their names, such as those of `evaluate_model`, as a bundle tells them."""
    return [
        MeasuredQuality(measure=measure, dataset=dataset, value=round(value, 4), candidates=candidates)
        for measure, value in measures.items()
    ]


def _write_image_encoder(
    writer: BundleWriter, tower: TrunkAndHead, licence: str, *, torch_program: bool
) -> ImageEncoderSpec:
    program = image_program(tower)
    path = writer.add_graph("image-encoder.onnx", onnx_graph(program), licence=licence, origin=_TRAINED)
    if torch_program:
        save_torch_program(program, writer.folder / TORCH_PROGRAM_FILE)
        writer.add_written(TORCH_PROGRAM_FILE, licence=licence, origin=f"the tower of {path} for torch.export.load")
    # The graph normalises by itself.
    return ImageEncoderSpec(file=path, size=tower.size)


def _detector_of(writer: BundleWriter, source: Bundle) -> dict[str, Any]:
    detector = source.spec.detector
    if detector is None:
        return {}
    writer.add_from(source, detector.file)
    return {"detector": detector, "classes": source.spec.classes}


def _write_background(writer: BundleWriter, configuration: TrainingConfiguration, card: DatasetCard | None) -> None:
    """How the model came about, for those who would make it again."""
    told = _without_this_machine(configuration.model_dump(mode="json"))
    content = yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
    writer.add(CONFIGURATION_FILE, content.encode(), licence="of the model", origin="as the model was trained")
    if card is not None:
        writer.add(CARD_FILE, card.as_yaml().encode(), licence="of the model", origin="counted before training")


def _without_this_machine(value: Any) -> Any:
    """Paths as seen from the present folder, and of those outside the name alone: bundles travel."""
    if isinstance(value, dict):
        return {key: _without_this_machine(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_without_this_machine(member) for member in value]
    if isinstance(value, str) and Path(value).is_absolute():
        path = Path(os.path.normpath(value))
        return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name
    return value
