"""Requests to the orchestrator on `control.models`, by NATS request and reply, JSON both ways.

Models are named as NAME, NAME:VERSION or NAME@ALIAS; a name alone means its alias `default`, without one the newest
version that is not deprecated. What is refused comes as the code of its error: `not-found` (no such version or alias),
`conflict` (somebody else was faster, an alias to a deprecated version, and so on), `invalid-input` (a bundle of which a
file is missing or has another checksum, too), `unavailable`. What is refused changes nothing.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from sightwire.contracts.events import Sha256, Tag
from sightwire.contracts.models import (
    AliasMove,
    AliasName,
    ModelId,
    ModelLineage,
    ModelName,
    ModelNotes,
    ModelVersion,
)
from sightwire.contracts.names import SpaceName

ModelReference = Annotated[str, Field(min_length=1, max_length=129, examples=["clipart", "clipart:2", "clipart@live"])]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListModels(_Request):
    """Answered by a ModelList: versions by name, the newest of each first."""

    ask: Literal["models"] = "models"
    name: ModelName | None = None
    space: SpaceName | None = None
    tag: Tag | None = None
    alias: AliasName | None = Field(default=None, description="Only versions that have it")
    with_deprecated: bool = False
    limit: int = Field(default=100, ge=1, le=500)
    cursor: str | None = None


class ReadModel(_Request):
    """Answered by the RegisteredModel that a reference means."""

    ask: Literal["model"] = "model"
    model: ModelReference


class ReadLineage(_Request):
    """Answered by a ModelList: the version, the one that it was made from, and so on to the first one."""

    ask: Literal["lineage"] = "lineage"
    model: ModelReference


class StoredBundle(_Request):
    """A bundle that lies in the blob store as a folder, with `bundle.yaml` in it."""

    kind: Literal["stored"] = "stored"
    prefix: str = Field(min_length=1)


class BundleFolder(_Request):
    """A bundle in a folder of the machine on which the orchestrator runs, by its absolute path."""

    kind: Literal["folder"] = "folder"
    path: str = Field(pattern=r"^/")


class RegisterModel(_Request):
    """Answered by a ModelRegistration. Every file is verified and stored first; the same bundle again changes nothing.

    May take as long as copying the bundle does.
    """

    ask: Literal["register"] = "register"
    bundle: StoredBundle | BundleFolder = Field(discriminator="kind")
    notes: ModelNotes = ModelNotes()
    lineage: ModelLineage = ModelLineage()
    by: str = ""
    expected_sha256: Sha256 | None = Field(default=None, description="Of its bundle.yaml")


class AnnotateModel(_Request):
    """Gives a version other notes. Answered by its RegisteredModel."""

    ask: Literal["annotate"] = "annotate"
    model: ModelReference
    notes: ModelNotes = Field(description="All of them: what is left out is removed")
    expected_revision: int | None = Field(
        default=None, ge=1, description="Refused when the version has another one; None: whichever it has"
    )


class DeprecateModel(_Request):
    """Marks a version as one not to be used any more. Answered by its RegisteredModel."""

    ask: Literal["deprecate"] = "deprecate"
    model: ModelReference
    reason: str = Field(min_length=1)
    replacement: ModelId | None = None
    by: str = ""


class CompareModels(_Request):
    """Answered by a ModelComparison."""

    ask: Literal["compare"] = "compare"
    before: ModelReference
    after: ModelReference


class ListAliases(_Request):
    """Answered by an AliasMoves: the last move of each alias that the model has, by name."""

    ask: Literal["aliases"] = "aliases"
    name: ModelName


class ReadAliasHistory(_Request):
    """Answered by an AliasMoves: all moves of an alias, the last one first."""

    ask: Literal["alias_history"] = "alias_history"
    name: ModelName
    alias: AliasName


class SetAlias(_Request):
    """Lets an alias mean a version. Answered by the AliasMove, which `models.promoted` tells."""

    ask: Literal["set_alias"] = "set_alias"
    name: ModelName
    alias: AliasName
    version: ModelName
    expected: ModelName | None = Field(
        default=None, description="Version that it means now; refused when it means another. None: whatever it means"
    )
    by: str = ""
    reason: str = ""


class RemoveAlias(_Request):
    """Takes an alias away. Answered by the AliasMove, which has no version."""

    ask: Literal["remove_alias"] = "remove_alias"
    name: ModelName
    alias: AliasName
    expected: ModelName | None = Field(default=None, description="As of `set_alias`")
    by: str = ""
    reason: str = ""


class RollBackAlias(_Request):
    """Lets an alias mean what it meant before. Answered by the AliasMove, which `models.rolled_back` tells."""

    ask: Literal["roll_back_alias"] = "roll_back_alias"
    name: ModelName
    alias: AliasName
    by: str = ""
    reason: str = ""


class LoadModel(_Request):
    """Has every embedder serve a version, and go on after restarts. Answered by the ServedModel, which then loads.

    Refused while another version of the same space is loaded.
    """

    ask: Literal["load"] = "load"
    model: ModelReference
    by: str = ""


class UnloadModel(_Request):
    """Has embedders give a loaded version up. Answered by the ServedModels that remain.

    Refused while it is the default, or while a collection has vectors of its space.
    """

    ask: Literal["unload"] = "unload"
    model: ModelReference


class SwitchModel(_Request):
    """Makes a loaded version the one that is meant where none is named. Answered by the ServedModels.

    Refused unless every live embedder serves it.
    """

    ask: Literal["switch"] = "switch"
    model: ModelReference | None = Field(description="None: of each embedder the one that it was started with")
    by: str = ""


class ListServedModels(_Request):
    """Answered by a ServedModels: what embedders serve, and what they are to serve."""

    ask: Literal["loaded"] = "loaded"


#: Also answered where no orchestrator runs, by whoever has the database.
RegistryRequest = (
    ListModels
    | ReadModel
    | ReadLineage
    | RegisterModel
    | AnnotateModel
    | DeprecateModel
    | CompareModels
    | ListAliases
    | ReadAliasHistory
    | SetAlias
    | RemoveAlias
    | RollBackAlias
)
ServingRequest = LoadModel | UnloadModel | SwitchModel | ListServedModels
ModelsRequest = RegistryRequest | ServingRequest
MODELS_REQUESTS: TypeAdapter[ModelsRequest] = TypeAdapter(Annotated[ModelsRequest, Field(discriminator="ask")])


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class RegisteredModel(_Answer):
    """A version, and the aliases that mean it, by name."""

    model: ModelVersion
    aliases: tuple[AliasName, ...] = ()


class ModelList(_Answer):
    """A page of versions; `next_cursor` asks for those that follow."""

    models: tuple[RegisteredModel, ...]
    next_cursor: str | None = None


class ModelRegistration(_Answer):
    """A registered version, and whether it was not there before."""

    model: ModelVersion
    is_new: bool


class AliasMoves(_Answer):
    """Moves of aliases."""

    moves: tuple[AliasMove, ...]


class ServingState(StrEnum):
    """How far embedders are with a model: of all, `failed` if one failed, `serving` if each one serves it."""

    LOADING = "loading"
    SERVING = "serving"
    FAILED = "failed"


class EmbedderServing(_Answer):
    """How far one embedder is with a model."""

    embedder: str
    state: ServingState
    #: Why it cannot serve it.
    reason: str | None = None


class ServedModel(_Answer):
    """A model of embedders."""

    model: ModelId
    space: SpaceName
    #: `loading` while no embedder lives.
    state: ServingState
    #: Every live embedder, by its name; of a model that is not loaded those that were started with it.
    embedders: tuple[EmbedderServing, ...]
    #: It is meant where none is named.
    is_default: bool
    #: False: embedders serve it only because they were started with it.
    is_loaded: bool
    requested_at: AwareDatetime | None = None
    requested_by: str = ""


class ServedModels(_Answer):
    """All models of embedders, by space."""

    models: tuple[ServedModel, ...]
    #: What a switch has set; None: of each embedder the model that it was started with.
    default_space: SpaceName | None
