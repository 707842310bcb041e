"""Requests about models as they come in."""

from pydantic import BaseModel, ConfigDict, Field

from sightwire.contracts.events import Sha256
from sightwire.contracts.model_control import BundleFolder, StoredBundle
from sightwire.contracts.models import ModelId, ModelLineage, ModelName, ModelNotes


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RegisterCommand(_Command):
    """Register a bundle under the name and version that its `bundle.yaml` says."""

    bundle: StoredBundle | BundleFolder = Field(discriminator="kind")
    notes: ModelNotes = ModelNotes()
    lineage: ModelLineage = ModelLineage()
    expected_sha256: Sha256 | None = Field(default=None, description="Of its bundle.yaml; refused when it has another")


class DeprecateCommand(_Command):
    """Mark a version as one not to be used any more."""

    reason: str = Field(min_length=1)
    replacement: ModelId | None = None


class AliasCommand(_Command):
    """Let an alias mean a version."""

    version: ModelName
    expected: ModelName | None = Field(
        default=None, description="Version that it means now; refused when it means another. Null: whatever it means"
    )
    reason: str = ""


class RollBackCommand(_Command):
    """Let an alias mean what it meant before."""

    reason: str = ""
