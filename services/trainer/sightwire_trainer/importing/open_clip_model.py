"""Models of open_clip, by the library's names, as bundles."""

from pathlib import Path
from typing import Any, Final

from sightwire.bundles import Bundle
from sightwire.bundles.spec import ImageEncoderSpec
from sightwire_trainer.configuration import OpenClipTower
from sightwire_trainer.export.bundle_writer import BundleWriter
from sightwire_trainer.export.onnx_graphs import onnx_graph
from sightwire_trainer.export.text_encoders import write_open_clip_tokenizer
from sightwire_trainer.export.tower_programs import image_program, text_program
from sightwire_trainer.importing.bundle_identity import BundleIdentity
from sightwire_trainer.importing.detector_graph import ImportedDetector
from sightwire_trainer.importing.errors import ImportRefusedError
from sightwire_trainer.importing.picture_options import PictureOptions
from sightwire_trainer.importing.publishing import detector_members, publish_tried
from sightwire_trainer.models.image_tower import TrunkAndHead
from sightwire_trainer.models.open_clip_towers import (
    OpenClipTextTower,
    OpenClipTrunk,
    open_clip_dimension,
    open_clip_picture_size,
)

_FITS: Final = {"shortest": "crop", "longest": "pad", "squash": "stretch"}
_INTERPOLATIONS: Final = frozenset({"bilinear", "bicubic"})


def import_open_clip(
    tower: OpenClipTower,
    destination: Path,
    identity: BundleIdentity,
    options: PictureOptions,
    *,
    size: int | None = None,
    detector: ImportedDetector | Bundle | None = None,
) -> Path:
    """Writes a bundle with both towers of a model, its preprocessing and its tokenizer; answers its folder.

    Size and preparation of pictures are the model's where `size` and `options` do not say otherwise. Without
    `tower.pretrained` the weights are random.

    Raises:
        InvalidInputError: the library has no such model or weights.
        ExportError: a tower cannot be exported, or reads with another tokenizer than CLIP's.
        ImportRefusedError: the model wants pictures as a bundle cannot describe.
    """
    dimension = open_clip_dimension(tower)
    side = size or open_clip_picture_size(tower)
    trunk = OpenClipTrunk(tower, size=side)
    # The graph normalises by itself.
    trunk.mean, trunk.deviation = options.mean or trunk.mean, options.deviation or trunk.deviation
    fitting = options.model_copy(update={"mean": None, "deviation": None})
    spec = fitting.over(_image_spec(tower.name, trunk.visual.preprocess_cfg, side))
    images = TrunkAndHead(trunk, None, size=side, dimension=dimension)
    texts = OpenClipTextTower(tower, dimension=dimension)
    origin = f"open_clip {tower.name}, {tower.pretrained or 'random weights'}"
    with BundleWriter(destination, identity.name, identity.version) as writer:
        writer.add_graph(spec.file, onnx_graph(image_program(images)), licence=identity.licence, origin=origin)
        text_file = writer.add_graph(
            "text-encoder.onnx", onnx_graph(text_program(texts)), licence=identity.licence, origin=origin
        )
        members: dict[str, Any] = {
            "image_encoder": spec,
            "text_encoder": write_open_clip_tokenizer(writer, texts, text_file),
        }
        members |= detector_members(writer, detector, identity)
        return publish_tried(writer, identity, dimension, members, origin=origin)


def _image_spec(model: str, preprocessing: dict[str, Any], side: int) -> ImageEncoderSpec:
    """How open_clip prepares pictures, without what the graph does by itself."""
    fit, interpolation = preprocessing["resize_mode"], preprocessing["interpolation"]
    if fit not in _FITS or interpolation not in _INTERPOLATIONS:
        raise ImportRefusedError(
            f"{model}: expected pictures that are resized by one of {', '.join(_FITS)}, bilinear or bicubic, "
            f"it wants {fit}, {interpolation}"
        )
    fill = int(preprocessing["fill_color"])
    return ImageEncoderSpec.model_validate(
        {
            "file": "image-encoder.onnx",
            "size": side,
            "resize": _FITS[fit],
            "interpolation": interpolation,
            "padding": (fill, fill, fill),
        }
    )
