"""Encoders and detectors in ONNX files of other people, as bundles."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightwire.bundles import Bundle
from sightwire_trainer.export.bundle_writer import BundleWriter
from sightwire_trainer.importing.bundle_identity import BundleIdentity
from sightwire_trainer.importing.detector_graph import ImportedDetector
from sightwire_trainer.importing.errors import ImportRefusedError
from sightwire_trainer.importing.image_graph import import_image_graph
from sightwire_trainer.importing.picture_options import PictureOptions
from sightwire_trainer.importing.publishing import detector_members, publish_tried
from sightwire_trainer.importing.text_graph import TOKENIZER_FILE, import_text_graph


@dataclass(frozen=True, slots=True)
class OnnxFiles:
    """The files of encoders; a text encoder comes with its tokenizer.json."""

    image: Path | None = None
    text: Path | None = None
    tokenizer: Path | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is no encoder among them."""
        return self.image is None and self.text is None


def import_onnx(
    files: OnnxFiles,
    destination: Path,
    identity: BundleIdentity,
    options: PictureOptions,
    *,
    size: int | None = None,
    max_tokens: int | None = None,
    dimension: int | None = None,
    detector: ImportedDetector | Bundle | None = None,
    base: Bundle | None = None,
) -> Path:
    """Writes a bundle of the files; answers its folder.

    `options` say how pictures are fitted and normalised. Without files of encoders, those of `base` are taken
    over, whose vectors stay what they are, so that its space is kept.

    Raises:
        ImportRefusedError: a graph is not what a bundle needs, or the encoders do not share a dimension.
        BundleError: a tokenizer is none.
    """
    if (files.text is None) != (files.tokenizer is None):
        raise ImportRefusedError("a text encoder and its tokenizer belong together: give both, text= and tokenizer=")
    if files.is_empty and base is None:
        raise ImportRefusedError(
            "expected image= or text= and tokenizer=, or a bundle to take the encoders from (--base)"
        )
    with BundleWriter(destination, identity.name, identity.version) as writer:
        members: dict[str, Any] = {}
        dimensions: dict[str, int] = {}
        if files.image is not None:
            image = import_image_graph(files.image, options, size=size, dimension=dimension)
            writer.add_graph(image.spec.file, image.model, licence=identity.licence, origin=files.image.name)
            members["image_encoder"] = image.spec
            dimensions[files.image.name] = image.dimension
        if files.text is not None and files.tokenizer is not None:
            text = import_text_graph(files.text, files.tokenizer, max_tokens=max_tokens, dimension=dimension)
            writer.add_graph(text.spec.file, text.model, licence=identity.licence, origin=files.text.name)
            tokenizer = files.tokenizer.read_bytes()
            writer.add(TOKENIZER_FILE, tokenizer, licence=identity.licence, origin=files.tokenizer.name)
            members["text_encoder"] = text.spec
            dimensions[files.text.name] = text.dimension
        if not dimensions and base is not None:
            members |= _encoders_of(writer, base)
            dimensions[f"{base.spec.name} {base.spec.version}"] = base.spec.dimension
        if len(set(dimensions.values())) > 1:
            found = ", ".join(f"{name}: {size}" for name, size in dimensions.items())
            raise ImportRefusedError(f"expected encoders into one space, got different dimensions ({found})")
        members |= detector_members(writer, detector, identity)
        (common,) = set(dimensions.values())
        return publish_tried(writer, identity, common, members, origin=", ".join(dimensions))


def _encoders_of(writer: BundleWriter, base: Bundle) -> dict[str, Any]:
    names = ("text_encoder", "document_encoder", "image_encoder")
    members = {name: encoder for name in names if (encoder := getattr(base.spec, name)) is not None}
    for encoder in members.values():
        for file in (encoder.file, getattr(encoder, "tokenizer", encoder.file)):
            if not writer.has(file):
                writer.add_from(base, file)
    return members | {"background": base.spec.background}
