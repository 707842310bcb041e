"""Imported parts as a bundle, which is tried before it appears."""

from pathlib import Path
from typing import Any

from sightwire.bundles import Bundle
from sightwire_trainer.export.bundle_writer import BundleWriter
from sightwire_trainer.importing.bundle_identity import BundleIdentity
from sightwire_trainer.importing.detector_graph import ImportedDetector
from sightwire_trainer.importing.errors import ImportRefusedError
from sightwire_trainer.importing.trial import try_models


def detector_members(
    writer: BundleWriter, detector: ImportedDetector | Bundle | None, identity: BundleIdentity
) -> dict[str, Any]:
    """Adds an imported detector, or that of another bundle; answers its members of the spec."""
    if detector is None:
        return {}
    if isinstance(detector, ImportedDetector):
        writer.add_graph(detector.spec.file, detector.model, licence=identity.licence, origin=detector.origin)
        return {"detector": detector.spec, "classes": detector.classes}
    if detector.spec.detector is None:
        raise ImportRefusedError(f"{detector.folder} has no detector to take over")
    writer.add_from(detector, detector.spec.detector.file)
    return {"detector": detector.spec.detector, "classes": detector.spec.classes}


def publish_tried(
    writer: BundleWriter, identity: BundleIdentity, dimension: int, members: dict[str, Any], *, origin: str
) -> Path:
    """Puts the bundle into place after its models answered texts and pictures as it says.

    Raises:
        ImportRefusedError: they did not.
        BundleError: the members do not fit together.
    """
    whole = {
        "space": identity.space,
        "dimension": dimension,
        "metric": "cosine",
        "description": identity.description,
        **members,
        "provenance": f"Imported from {origin}",
    }
    try_models(writer.unpublished(**whole))
    return writer.publish(**whole)
