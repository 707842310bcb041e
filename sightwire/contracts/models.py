"""Models: what the registry knows of a version, which version an alias means, and the events that tell of both."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
)

from sightwire.contracts.events import Sha256, Tag
from sightwire.contracts.names import SpaceName

#: Names and versions of models are those of their bundles.
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
AliasName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]

#: Alias of the version that answers, and of the one that may come after it.
LIVE: Final = "live"
CANDIDATE: Final = "candidate"
#: Alias of the version that is meant where none is named; without it the newest that is not deprecated.
DEFAULT: Final = "default"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelId(_Value):
    """One version of a model."""

    name: ModelName
    version: ModelName

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


class ModelFile(_Value):
    """A file of a bundle; its bytes lie in the blob store by their sha256."""

    path: str
    sha256: Sha256
    bytes: NonNegativeInt


class ModelLineage(_Value):
    """Where a model comes from."""

    data: tuple[str, ...] = Field(default=(), description="What it was trained with")
    run: str | None = Field(default=None, description="The training run, or the run of a pipeline")
    parent: ModelId | None = Field(default=None, description="The registered model that it was made from")


class Deprecation(_Value):
    """Why a version should not be used any more."""

    reason: str
    replacement: ModelId | None = None
    by: str = ""
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class ModelNotes(_Value):
    """What people and pipelines say of a version, besides what its bundle says."""

    description: str | None = Field(
        default=None, max_length=2000, description="In the place of what its bundle says; null: that is enough"
    )
    tags: tuple[Tag, ...] = ()
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(
        default_factory=dict, description="`dataset/measure`, besides those of the bundle and in the place of them"
    )


class ModelVersion(_Value):
    """A registered version. Its files and configuration never change; notes and deprecation do."""

    id: ModelId
    description: str
    space: SpaceName
    dimension: PositiveInt
    bundle_sha256: Sha256 = Field(description="Of its bundle.yaml, which has those of all its files")
    files: tuple[ModelFile, ...]
    configuration: dict[str, JsonValue] = Field(description="What bundle.yaml says, without files and quality")
    measured: dict[str, float] = Field(description="Quality by `dataset/measure`, as bundle.yaml says")
    lineage: ModelLineage
    notes: ModelNotes
    deprecation: Deprecation | None = None
    registered_at: AwareDatetime
    registered_by: str
    #: Grows with each change of notes or deprecation.
    revision: PositiveInt = 1

    @property
    def summary(self) -> str:
        """What people say that it is, and otherwise its bundle."""
        return self.notes.description or self.description

    @property
    def metrics(self) -> dict[str, float]:
        """Those of the bundle, and those that were added."""
        return self.measured | self.notes.metrics

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for file in self.files)


class AliasMove(_Value):
    """An alias got another version, or none. All moves are kept; the last one counts."""

    name: ModelName
    alias: AliasName
    #: Counts the moves of this alias from 1.
    revision: PositiveInt
    version: ModelName | None
    previous: ModelName | None
    by: str = ""
    reason: str = ""
    at: AwareDatetime


class ConfigurationDifference(_Value):
    """A value that differs; null: it is not there."""

    path: str
    before: JsonValue
    after: JsonValue


class MetricDifference(_Value):
    """A figure of one or both."""

    metric: str
    before: float | None
    after: float | None

    @property
    def change(self) -> float | None:
        """How much it grew; None unless both have it."""
        return None if self.before is None or self.after is None else self.after - self.before


class FileDifference(_Value):
    """A file that is not the same in both."""

    path: str
    change: Literal["added", "removed", "changed"]
    bytes_before: NonNegativeInt | None
    bytes_after: NonNegativeInt | None


class ModelComparison(_Value):
    """What differs between two versions; `metrics` has also those that are equal."""

    before: ModelId
    after: ModelId
    same_space: bool = Field(description="Whether vectors of one can be compared with vectors of the other")
    configuration: tuple[ConfigurationDifference, ...]
    metrics: tuple[MetricDifference, ...]
    files: tuple[FileDifference, ...]


class ModelRegistered(BaseModel):
    """Message on `models.registered`: a version can be fetched."""

    model_config = ConfigDict(frozen=True, title="ModelRegistered")

    model: ModelId
    space: SpaceName
    bundle_sha256: Sha256
    by: str = ""
    at: AwareDatetime


class ModelPromoted(BaseModel):
    """Message on `models.promoted`: an alias got a version."""

    model_config = ConfigDict(frozen=True, title="ModelPromoted")

    move: AliasMove
    space: SpaceName


class ModelRolledBack(BaseModel):
    """Message on `models.rolled_back`: an alias got the version back that it had before."""

    model_config = ConfigDict(frozen=True, title="ModelRolledBack")

    move: AliasMove
    space: SpaceName
