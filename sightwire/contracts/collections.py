"""What a collection is: its vector fields, its metadata schema, its index parameters."""

import math
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal, Self
from uuid import uuid4

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from sightwire.contracts.names import EXTERNAL_SPACE, CollectionName, FieldName, SpaceName
from sightwire.errors import InvalidInputError

_UID_CHARACTERS: Final = 12
_MAX_NAME_CHARACTERS: Final = 63


class Metric(StrEnum):
    """How two vectors of a field are compared. Scores are always higher for closer vectors."""

    COSINE = "cosine"
    DOT = "dot"
    L2 = "l2"


class VectorSource(StrEnum):
    """What the platform embeds into a field; `user` means that the vectors come with the items."""

    IMAGE = "image"
    OBJECT = "object"
    TEXT = "text"
    USER = "user"


class IndexType(StrEnum):
    """How the vectors of a field are indexed. Small segments are always searched exactly."""

    #: HNSW for large segments; while items stream in, one that is quicker to build.
    AUTO = "auto"
    #: Every vector is compared: exact, and slow for many.
    FLAT = "flat"
    HNSW = "hnsw"
    #: HNSW over one byte a number; the best candidates are compared again with the whole vectors.
    HNSW_SQ = "hnsw_sq"
    #: Inverted lists of product-quantised vectors, re-ranked like `hnsw_sq`: for collections larger than memory.
    IVF_PQ = "ivf_pq"


class IndexParameters(BaseModel):
    """How merged segments index their vectors.

    HNSW is Malkov and Yashunin's (arXiv 1603.09320), product quantisation Jégou, Douze and Schmid's (TPAMI 2011).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: IndexType = IndexType.AUTO
    m: Annotated[int, Field(ge=4, le=96, description="Links per vector of HNSW")] = 16
    ef_construction: Annotated[int, Field(ge=16, le=2000, description="Candidates while HNSW is built")] = 128
    ef_search: Annotated[int, Field(ge=8, le=4096, description="Candidates of a search in HNSW")] = 64
    lists: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Inverted lists of IVF; none: by the number of vectors"
    )
    probes: Annotated[int, Field(ge=1, le=65_536)] = Field(default=32, description="Inverted lists that a search reads")
    pq_bytes: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        default=None, description="Bytes of a product-quantised vector; none: an eighth of the dimension's numbers"
    )
    rerank: Annotated[int, Field(ge=1, le=100)] = Field(
        default=4, description="Quantised candidates per wanted result that are compared again with whole vectors"
    )


class VectorField(BaseModel):
    """A named set of vectors: one per item, or one per object for `object`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: VectorSource = VectorSource.USER
    dimension: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        default=None,
        description="Numbers per vector; required for `user`, taken from the model bundle otherwise",
    )
    metric: Metric = Metric.COSINE
    index: IndexParameters | None = Field(default=None, description="Of this field alone; none: the collection's")

    @model_validator(mode="after")
    def _user_fields_have_a_dimension(self) -> Self:
        if self.source is VectorSource.USER and self.dimension is None:
            raise ValueError("a field of source 'user' needs a 'dimension'")
        return self


class MetadataType(StrEnum):
    """Type of a metadata column."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    STRING_LIST = "string_list"


class MetadataField(BaseModel):
    """A metadata key that filters can use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: MetadataType
    required: bool = False


class TextLanguage(StrEnum):
    """Language whose word endings full-text search ignores; `none` compares words as they are."""

    NONE = "none"
    ARABIC = "arabic"
    DANISH = "danish"
    DUTCH = "dutch"
    ENGLISH = "english"
    FINNISH = "finnish"
    FRENCH = "french"
    GERMAN = "german"
    GREEK = "greek"
    HUNGARIAN = "hungarian"
    ITALIAN = "italian"
    NORWEGIAN = "norwegian"
    PORTUGUESE = "portuguese"
    ROMANIAN = "romanian"
    RUSSIAN = "russian"
    SPANISH = "spanish"
    SWEDISH = "swedish"
    TAMIL = "tamil"
    TURKISH = "turkish"


def _default_fields() -> dict[str, VectorField]:
    return {
        source.value: VectorField(source=source)
        for source in (VectorSource.IMAGE, VectorSource.OBJECT, VectorSource.TEXT)
    }


class CollectionSpec(BaseModel):
    """What a user asks for when creating a collection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: CollectionName
    description: str = ""
    fields: dict[FieldName, VectorField] = Field(default_factory=_default_fields, min_length=1, max_length=16)
    metadata: dict[FieldName, MetadataField] = Field(default_factory=dict, max_length=64)
    #: What happens to metadata keys outside the schema: refused, or stored and returned but not filterable.
    undeclared_metadata: Literal["refuse", "store"] = "store"
    index: IndexParameters = IndexParameters()
    language: TextLanguage = Field(default=TextLanguage.ENGLISH, description="Of full-text search")

    @property
    def embeds(self) -> bool:
        """Whether any field is embedded by the platform."""
        return any(field.source is not VectorSource.USER for field in self.fields.values())

    def field_names(self, *sources: VectorSource) -> list[str]:
        """Names of the fields with one of `sources`, in order of definition."""
        return [name for name, field in self.fields.items() if field.source in sources]


def new_collection_uid() -> str:
    """A uid for a collection that is created now. It has no hyphen."""
    return uuid4().hex[:_UID_CHARACTERS]


def new_shadow_name(collection: str) -> str:
    """A name for a shadow of a collection; users' names have no two hyphens in a row."""
    return f"{collection[: _MAX_NAME_CHARACTERS - _UID_CHARACTERS - 2].rstrip('-')}--{new_collection_uid()}"


class Canary(BaseModel):
    """A share of a collection's queries that a shadow answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shadow: CollectionName
    share: Annotated[float, Field(gt=0.0, le=1.0)]


class CollectionRecord(BaseModel):
    """A collection as the registry holds it: dimensions resolved, with the incarnation.

    A collection moves to another model through a shadow: a collection of its own, hidden from users, with the same
    items in the other model's space. Whatever works on an index works on a shadow as on any other collection; only who
    answers for the users' name changes, by one compare-and-set of `answering`.
    """

    model_config = ConfigDict(frozen=True)

    spec: CollectionSpec
    #: Changes when a deleted name is created again, so that nothing of the old one is ever seen.
    uid: str
    created_at: AwareDatetime
    #: Space of the platform's vectors, `external` when all are the user's.
    space: SpaceName = EXTERNAL_SPACE
    #: Class names of the bundle's detector, by class id.
    class_names: tuple[str, ...] = ()
    #: Of a shadow: the collection whose items it holds.
    shadow_of: CollectionName | None = None
    #: Shadows of this collection: they get all that it gets.
    shadows: tuple[CollectionName, ...] = ()
    #: The shadow that answers for this collection; None: its own index does.
    answering: CollectionName | None = None
    canary: Canary | None = None
    #: False once its own index was given up for that of a shadow.
    has_index: bool = True

    @property
    def index_name(self) -> str:
        """The collection whose index answers: this one, or a shadow of it."""
        return self.answering or self.name

    @property
    def copies(self) -> tuple[str, ...]:
        """The collections that hold its items, those that answer and those that might: itself and its shadows."""
        return ((self.name,) if self.has_index else ()) + self.shadows

    @property
    def users_name(self) -> str:
        """The name by which users know its items."""
        return self.shadow_of or self.name

    @property
    def of_own_index(self) -> Self:
        """Without what only says who answers for it: what its own index depends on."""
        return self.model_copy(update={"shadows": (), "answering": None, "canary": None})

    @property
    def as_users_know_it(self) -> Self:
        """What it holds as a collection of its own under the users' name."""
        spec = self.spec.model_copy(update={"name": self.users_name})
        return self.of_own_index.model_copy(update={"spec": spec, "shadow_of": None, "has_index": True})

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def index_prefix(self) -> str:
        """Folder of this incarnation in the blob store."""
        return f"indexes/{self.spec.name}-{self.uid}"

    def dimension(self, field: str) -> int:
        """Dimension of a vector field; fields are resolved when the record is made."""
        dimension = self.spec.fields[field].dimension
        assert dimension is not None, f"field {field!r} of {self.name!r} was registered without a dimension"
        return dimension


_METADATA_ADAPTERS: dict[MetadataType, TypeAdapter[object]] = {
    MetadataType.STRING: TypeAdapter(Annotated[str, Field(strict=True)]),
    MetadataType.INTEGER: TypeAdapter(Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]),
    MetadataType.FLOAT: TypeAdapter(Annotated[float, Field(allow_inf_nan=False)]),
    MetadataType.BOOLEAN: TypeAdapter(Annotated[bool, Field(strict=True)]),
    MetadataType.DATETIME: TypeAdapter(AwareDatetime),
    MetadataType.STRING_LIST: TypeAdapter(list[Annotated[str, Field(strict=True)]]),
}


def metadata_value(field: str, kind: MetadataType, value: object) -> object:
    """`value` as the Python type of `kind` (datetime values become aware `datetime`).

    Raises:
        InvalidInputError: `value` is of another type.
    """
    try:
        return _METADATA_ADAPTERS[kind].validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise InvalidInputError(f"metadata field {field!r} expects {kind.value}, got {value!r}: {reason}") from None


def checked_metadata(spec: CollectionSpec, metadata: dict[str, object]) -> dict[str, object]:
    """`metadata` as it is stored: declared keys checked against the schema, datetimes as RFC 3339 strings.

    Raises:
        InvalidInputError: a declared key has the wrong type, a required one is missing, an undeclared one is refused.
    """
    stored: dict[str, object] = {}
    for name, value in metadata.items():
        declared = spec.metadata.get(name)
        if declared is None:
            if spec.undeclared_metadata == "refuse":
                known = ", ".join(sorted(spec.metadata)) or "none"
                raise InvalidInputError(
                    f"metadata field {name!r} is not in the schema of collection {spec.name!r} (declared: {known})"
                )
            if isinstance(value, float) and not math.isfinite(value):
                raise InvalidInputError(f"metadata field {name!r} must be finite, got {value!r}")
            stored[name] = value
            continue
        if value is None and not declared.required:
            continue
        typed = metadata_value(name, declared.type, value)
        stored[name] = typed.isoformat() if isinstance(typed, datetime) else typed
    missing = [name for name, field in spec.metadata.items() if field.required and name not in stored]
    if missing:
        raise InvalidInputError(f"collection {spec.name!r} requires the metadata field(s) {', '.join(sorted(missing))}")
    return stored
