"""What `sightwire models` prints of bundles and their variants."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sightwire.bundles import Bundle, BundleSpec

if TYPE_CHECKING:
    from sightwire_trainer.export.variants import VariantReport, VectorChange
    from sightwire_trainer.training.averaged_runs import AveragedRuns


def spec_members(spec: BundleSpec) -> dict[str, Any]:
    """A bundle in some lines."""
    pictures, texts, detector = spec.image_encoder, spec.text_encoder, spec.detector
    return {
        "bundle": f"{spec.name} {spec.version}",
        "description": spec.description,
        "space": f"{spec.space}, {spec.dimension} dimensions, {spec.metric}",
        "pictures": pictures and f"{pictures.size} x {pictures.size}, {pictures.resize}, {pictures.interpolation}",
        "texts": texts and f"up to {texts.max_tokens} tokens{_padding(texts.padded_length)}",
        "documents": spec.document_encoder and "by an encoder of their own",
        "detector": detector and f"{len(spec.classes)} classes, pictures of {detector.size}",
        "provenance": " ".join(spec.provenance.split()),
        "measured": spec.quality_method,
    }


def file_rows(bundle: Bundle) -> Iterable[list[Any]]:
    """A row a file: path, bytes, licence, sha256."""
    for file in bundle.spec.files:
        path = bundle.path(file.path)
        size = f"{path.stat().st_size:,}" if path.is_file() else "missing"
        yield [file.path, size, file.licence, file.sha256]


def quality_rows(spec: BundleSpec) -> Iterable[list[Any]]:
    """A row a figure: measure, value, dataset, candidates."""
    for entry in spec.quality:
        yield [entry.measure, f"{entry.value:g}", entry.dataset, entry.candidates]


def variant_rows(report: "VariantReport") -> Iterable[list[Any]]:
    """What a variant loses: name, before, after."""
    yield ["bytes of the encoders", f"{report.graph_bytes_before:,}", f"{report.graph_bytes:,}"]
    for name, change in (("pictures", report.images), ("texts", report.texts)):
        if change is not None:
            yield [f"cosines to the vectors of {name} before", "1", _cosines(change)]
    for name, before in report.measures_before.items():
        yield [name, f"{before:.4f}", f"{report.measures[name]:.4f}"]


def averaged_rows(averaged: "AveragedRuns") -> Iterable[list[Any]]:
    """A row a measure: its name, the average's and each run's."""
    for name, value in sorted(averaged.measures.items()):
        of_runs = (run.measures.get(name) for run in averaged.runs)
        yield [name, f"{value:.4f}", *("" if measure is None else f"{measure:.4f}" for measure in of_runs)]


def _cosines(change: "VectorChange") -> str:
    return f"{change.mean_cosine:.4f} on average, {change.least_cosine:.4f} at least, of {change.inputs}"


def _padding(length: int | None) -> str:
    return "" if length is None else f", padded to {length}"
