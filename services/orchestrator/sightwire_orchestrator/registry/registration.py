"""What becomes a registered version of a bundle."""

from datetime import UTC, datetime

from sightwire.bundles import BUNDLE_FILE, BundleSpec
from sightwire.contracts.models import ModelFile, ModelId, ModelLineage, ModelNotes, ModelVersion


def registered_version(
    spec: BundleSpec, files: tuple[ModelFile, ...], *, notes: ModelNotes, lineage: ModelLineage, by: str
) -> ModelVersion:
    """The version that a bundle makes.

    Args:
        spec: its description.
        files: all of it, `bundle.yaml` among them.
        notes: what else is said of it.
        lineage: where it comes from.
        by: who registers it.
    """
    [description] = [file for file in files if file.path == BUNDLE_FILE]
    return ModelVersion(
        id=ModelId(name=spec.name, version=spec.version),
        description=spec.description,
        space=spec.space,
        dimension=spec.dimension,
        bundle_sha256=description.sha256,
        files=files,
        configuration=spec.model_dump(
            mode="json", exclude={"format", "name", "version", "description", "files", "quality"}
        ),
        measured={f"{entry.dataset}/{entry.measure}": entry.value for entry in spec.quality},
        lineage=lineage,
        notes=notes,
        registered_at=datetime.now(UTC),
        registered_by=by,
    )
