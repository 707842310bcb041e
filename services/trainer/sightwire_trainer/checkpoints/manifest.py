"""What is known of a checkpoint without loading it: the file `manifest.json` beside its state."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from sightwire.bundles.spec import Sha256
from sightwire.errors import CorruptDataError

MANIFEST_FILE: Final = "manifest.json"
STATE_FILE: Final = "state.pt"


class CheckpointManifest(BaseModel):
    """Where a run was, how good it was, and what its state must hash to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    step: Annotated[int, Field(ge=0)]
    epoch: Annotated[int, Field(ge=0)]
    #: Of the evaluation at this very step; empty when there was none.
    measures: dict[str, float] = Field(default_factory=dict)
    #: The training configuration as JSON, so that a run is not resumed with another one.
    configuration: dict[str, Any]
    configuration_sha256: Sha256
    state_sha256: Sha256
    state_bytes: Annotated[int, Field(ge=1)]
    saved_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


def configuration_digest(configuration: dict[str, Any]) -> str:
    """sha256 of a configuration's JSON with its keys sorted."""
    return hashlib.sha256(orjson.dumps(configuration, option=orjson.OPT_SORT_KEYS)).hexdigest()


def read_manifest(checkpoint: Path) -> CheckpointManifest:
    """The manifest of a checkpoint's folder.

    Raises:
        CorruptDataError: it cannot be read, or is not a manifest.
    """
    path = checkpoint / MANIFEST_FILE
    try:
        return CheckpointManifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise CorruptDataError(f"{path} is not the manifest of a checkpoint: {error}") from error
