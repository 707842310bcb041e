"""How a model bundle in a folder is printed."""

from collections.abc import Iterable
from typing import Any

import typer

from sightwire.bundles import Bundle, BundleSpec
from sightwire.cli.output import print_json, print_members, print_table


def print_bundle(bundle: Bundle, *, as_json: bool) -> None:
    """What a bundle says of itself, and how large its files are."""
    if as_json:
        print_json(bundle.spec)
        return
    print_members(_members(bundle.spec))
    typer.echo()
    print_table(["file", "bytes", "licence", "sha256"], _file_rows(bundle))
    if bundle.spec.quality:
        typer.echo()
        print_table(["measure", "value", "dataset", "candidates"], _quality_rows(bundle.spec))


def _members(spec: BundleSpec) -> dict[str, Any]:
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


def _file_rows(bundle: Bundle) -> Iterable[list[Any]]:
    for file in bundle.spec.files:
        path = bundle.path(file.path)
        size = f"{path.stat().st_size:,}" if path.is_file() else "missing"
        yield [file.path, size, file.licence, file.sha256]


def _quality_rows(spec: BundleSpec) -> Iterable[list[Any]]:
    for entry in spec.quality:
        yield [entry.measure, f"{entry.value:g}", entry.dataset, entry.candidates]


def _padding(length: int | None) -> str:
    return "" if length is None else f", padded to {length}"
