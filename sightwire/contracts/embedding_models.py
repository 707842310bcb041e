"""Models of embedders: those that all are to serve (bucket `embedding_models`), and what each serves (`embedders`)."""

from typing import Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from sightwire.contracts.events import Sha256
from sightwire.contracts.models import ModelFile, ModelId
from sightwire.contracts.names import CollectionName, SpaceName

#: Key of the `embedding_models` bucket that says which space is meant where none is named; no space is called so.
DEFAULT_SPACE_KEY: Final = "_default"


class EmbeddingModel(BaseModel):
    """Value of the `embedding_models` bucket by space: every embedder loads it, and goes on serving it after a restart.

    Its files lie in the blob store by their sha256.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelId
    space: SpaceName
    bundle_sha256: Sha256 = Field(description="Of its bundle.yaml")
    files: tuple[ModelFile, ...]
    requested_at: AwareDatetime
    requested_by: str = ""


class DefaultSpace(BaseModel):
    """Value at `DEFAULT_SPACE_KEY`; without it the bundle is the default one that each embedder was started with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: SpaceName
    switched_at: AwareDatetime
    switched_by: str = ""


class EmbedderAnnouncement(BaseModel):
    """Value of the `embedders` bucket: what a live embedder serves."""

    model_config = ConfigDict(frozen=True)

    embedder: str
    #: gRPC address.
    address: str
    default_space: SpaceName
    #: Models that answer, by space.
    serving: dict[SpaceName, ModelId]
    #: Spaces whose models are being fetched, checked or loaded.
    loading: tuple[SpaceName, ...] = ()
    #: Why a model cannot be served, by its space.
    failed: dict[SpaceName, str] = Field(default_factory=dict)
    #: Shadows that it passes new items of their collections on to.
    shadows: tuple[CollectionName, ...] = ()
    announced_at: AwareDatetime

    def serves(self, space: str) -> bool:
        """Whether queries and items of a space can be embedded by it now."""
        return space in self.serving

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """The announcement in a value of the bucket."""
        return cls.model_validate_json(data)
