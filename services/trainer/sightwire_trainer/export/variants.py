"""Smaller or faster variants of a bundle, and what they lose."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from PIL import Image

from sightwire.bundles import Bundle, BundleSpec, load_bundle
from sightwire.bundles.bundle_encoder import BundleEncoder, Matrix
from sightwire.bundles.preprocessing import encoder_batch, fitted_pixels
from sightwire.bundles.spec import ImageEncoderSpec
from sightwire_trainer.data.samples import SampleSource
from sightwire_trainer.evaluation.encoding import sample_pixels
from sightwire_trainer.evaluation.model import evaluate_model
from sightwire_trainer.export.bundle_writer import LICENCES_FILE, BundleWriter
from sightwire_trainer.export.bundles import TORCH_PROGRAM_FILE, measured_quality
from sightwire_trainer.export.half_weights import with_half_weights
from sightwire_trainer.export.integer_graphs import Inputs, calibrated_integers, dynamic_integers

_CALIBRATED_WITH: Final = 128
_COMPARED_WITH: Final = 256
_BATCH: Final = 16


class Variant(StrEnum):
    """How numbers are kept."""

    #: Weights as float16; half the size, the same speed and, to three digits, the same vectors.
    FP16 = "fp16"
    #: Convolutions and products in 8 bits; a quarter of the size.
    INT8 = "int8"


@dataclass(frozen=True, slots=True)
class VectorChange:
    """Cosines between the vectors of a bundle and those of its variant."""

    inputs: int
    mean_cosine: float
    least_cosine: float


@dataclass(frozen=True, slots=True)
class VariantReport:
    """A variant and what it loses."""

    folder: Path
    graph_bytes_before: int
    graph_bytes: int
    #: None where the bundle has no such encoder.
    images: VectorChange | None
    texts: VectorChange | None
    #: By the names of `evaluate_model`, of the bundle and of the variant.
    measures_before: dict[str, float]
    measures: dict[str, float]


def make_variant(folder: Path, destination: Path, variant: Variant, samples: SampleSource) -> VariantReport:
    """Writes the variant of the bundle in `folder` to `destination/<name>-<version>-<variant>`, and measures both.

    All encoders change, the detector stays. `samples` calibrate the integers of the image encoder and are what is
    measured by; its space stays that of the bundle, as its vectors are to be compared with the bundle's.

    Raises:
        BundleError: the folder is no whole bundle.
        CorruptDataError: a sample cannot be read.
    """
    bundle = load_bundle(folder)
    before = BundleEncoder(bundle)
    measures_before = evaluate_model(before, samples)
    with BundleWriter(destination, bundle.spec.name, f"{bundle.spec.version}-{variant}") as writer:
        graphs = _changed_graphs(bundle, variant, samples)
        for file in bundle.spec.files:
            if file.path in graphs:
                origin = f"{file.origin}; then as {variant}"
                writer.add_graph(file.path, graphs[file.path], licence=file.licence, origin=origin)
            elif file.path not in (LICENCES_FILE, TORCH_PROGRAM_FILE):
                writer.add_from(bundle, file.path)
        after = BundleEncoder(writer.unpublished(**_members(bundle.spec)))
        measures = evaluate_model(after, samples)
        quality = measured_quality(measures, dataset=samples.name)
        published = writer.publish(**_members(bundle.spec) | {"quality": quality})
    return VariantReport(
        published,
        sum(bundle.path(path).stat().st_size for path in graphs),
        sum((published / path).stat().st_size for path in graphs),
        _image_change(before, after, samples) if bundle.spec.image_encoder else None,
        _text_change(before, after, samples) if bundle.spec.text_encoder else None,
        measures_before,
        measures,
    )


def _changed_graphs(bundle: Bundle, variant: Variant, samples: SampleSource) -> dict[str, onnx.ModelProto]:
    spec = bundle.spec
    texts = {encoder.file for encoder in (spec.text_encoder, spec.document_encoder) if encoder is not None}
    pictures = spec.image_encoder
    if variant is Variant.FP16:
        files = texts | ({pictures.file} if pictures else set())
        return {file: with_half_weights(onnx.load(bundle.path(file))) for file in sorted(files)}
    graphs = {file: dynamic_integers(onnx.load(bundle.path(file))) for file in sorted(texts)}
    if pictures is not None:
        batches = _calibration_batches(pictures, samples)
        graphs[pictures.file] = calibrated_integers(onnx.load(bundle.path(pictures.file)), batches)
    return graphs


def _calibration_batches(spec: ImageEncoderSpec, samples: SampleSource) -> Iterator[Inputs]:
    numbers = _spread(len(samples), _CALIBRATED_WITH)
    size = min(_BATCH, spec.max_batch or _BATCH)
    for start in range(0, len(numbers), size):
        pictures = [Image.fromarray(sample_pixels(samples, number)) for number in numbers[start : start + size]]
        yield {spec.input: encoder_batch([fitted_pixels(picture, spec) for picture in pictures], spec)}


def _image_change(before: BundleEncoder, after: BundleEncoder, samples: SampleSource) -> VectorChange:
    pictures = [sample_pixels(samples, number) for number in _spread(len(samples), _COMPARED_WITH)]
    return _change(before.encode_images(pictures), after.encode_images(pictures))


def _text_change(before: BundleEncoder, after: BundleEncoder, samples: SampleSource) -> VectorChange:
    names = [samples[number].name for number in _spread(len(samples), _COMPARED_WITH)]
    return _change(before.encode_texts(names), after.encode_texts(names))


def _change(before: Matrix, after: Matrix) -> VectorChange:
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    cosines = np.einsum("ij,ij->i", before, after) / lengths
    return VectorChange(len(cosines), float(cosines.mean()), float(cosines.min()))


def _spread(count: int, at_most: int) -> list[int]:
    """At most so many of `count` numbers, evenly apart: sets are often sorted by what they show."""
    return [int(number) for number in np.linspace(0, count - 1, min(count, at_most))]


def _members(spec: BundleSpec) -> dict[str, object]:
    given = {"format", "name", "version", "files"}
    return {name: getattr(spec, name) for name in BundleSpec.model_fields if name not in given}
