"""Events that people publish and read: JSON, with a JSON Schema each.

Those that carry vectors are protobuf: proto/sightwire/v1/events.proto.
"""

import array
import base64
import binascii
import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from sightwire.contracts.names import CollectionName, FieldName, ItemId
from sightwire.errors import InvalidVectorError

MAX_TAGS = 256
MAX_TEXT_CHARACTERS = 100_000

Tag = Annotated[str, StringConstraints(min_length=1, max_length=256, strip_whitespace=True)]
JsonList = list[JsonValue]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _given(*members: str) -> JsonList:
    """JSON Schemas of objects that have one of `members`; null is as good as absent."""
    return [{"required": [member], "properties": {member: {"not": {"type": "null"}}}} for member in members]


class BlobReference(BaseModel):
    """A claim check: bytes that lie in the blob store, and how to know that they are the right ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blob: str = Field(description="Key in the blob store")
    sha256: Sha256
    media_type: str = "application/octet-stream"
    bytes: int = Field(ge=0)
    width: int | None = Field(default=None, ge=1, description="Pixels, EXIF orientation applied")
    height: int | None = Field(default=None, ge=1, description="Pixels, EXIF orientation applied")


class ImageSource(BaseModel):
    """Where an item's picture is: exactly one of `blob`, `url` and `data`."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"oneOf": _given("blob", "url", "data")})

    blob: BlobReference | None = None
    url: str | None = Field(default=None, description="http(s) URL at a public address; the embedder fetches it")
    data: str | None = Field(default=None, description="The file's bytes in base64, for small pictures")
    filename: str = Field(default="", max_length=1024)

    @model_validator(mode="after")
    def _exactly_one_source(self) -> Self:
        given = [name for name in ("blob", "url", "data") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"an image needs exactly one of 'blob', 'url' and 'data', got {given or 'none'}")
        return self


class Operation(StrEnum):
    """What an ingest event asks for."""

    PUT = "put"
    DELETE = "delete"


class IngestEvent(BaseModel):
    """Message on `ingest.<collection>`: put an item (the whole of it; the highest version wins) or delete it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        title="IngestEvent",
        json_schema_extra={
            "anyOf": [
                *_given("image", "text", "vectors"),
                {"required": ["operation"], "properties": {"operation": {"const": "delete"}}},
            ]
        },
    )

    id: ItemId
    operation: Operation = Operation.PUT
    image: ImageSource | None = None
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARACTERS)] | None = Field(
        default=None, description="The item's text, or the caption of its image"
    )
    tags: tuple[Tag, ...] = Field(default=(), max_length=MAX_TAGS)
    metadata: dict[str, Any] = Field(default_factory=dict)
    time: AwareDatetime | None = Field(default=None, description="When it was made or happened; default: when accepted")
    vectors: dict[FieldName, list[float] | str] = Field(
        default_factory=dict,
        description="Vectors of the user's own, as numbers or as base64 of little-endian float32",
    )
    accepted_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _puts_carry_something(self) -> Self:
        has_content = self.image is not None or self.text or self.vectors
        if self.operation is Operation.PUT and not has_content:
            raise ValueError("an item needs at least one of 'image', 'text' and 'vectors'")
        return self


def vector_bytes(field: str, vector: list[float] | str, dimension: int) -> bytes:
    """A user's vector as little-endian float32 bytes, its length and its values checked.

    Raises:
        InvalidVectorError: not `dimension` numbers, not finite in float32, or not base64.
    """
    if isinstance(vector, str):
        try:
            data = base64.b64decode(vector, validate=True)
        except binascii.Error as error:
            raise InvalidVectorError(f"vector of field {field!r} is not base64: {error}") from None
    else:
        data = array.array("f", vector).tobytes()
    if len(data) != 4 * dimension:
        raise InvalidVectorError(
            f"the vector of {field!r} needs {dimension} float32 numbers, got {len(data) / 4:g} ({len(data)} bytes)"
        )
    # A sum in double precision cannot overflow here, and is finite just when every number is: a third of the time.
    if not math.isfinite(sum(memoryview(data).cast("f"))):
        raise InvalidVectorError(f"vector of field {field!r} must be finite, got NaN or infinity")
    return data


class ItemState(StrEnum):
    """How far an item has come."""

    ACCEPTED = "accepted"
    EMBEDDED = "embedded"
    SEARCHABLE = "searchable"
    DELETED = "deleted"
    FAILED = "failed"


class ItemStatus(BaseModel):
    """Value in the `item_status` bucket."""

    model_config = ConfigDict(frozen=True)

    collection: CollectionName
    id: str
    state: ItemState
    #: Sequence of the ingest event; unknown until the embedder has seen it.
    version: int | None = None
    reason: str | None = None
    #: Objects found in the image; known from `embedded` on.
    objects: int | None = None
    #: First manifest version that holds the item; known from `searchable` on.
    manifest_version: int | None = None
    updated_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_final(self) -> bool:
        return self.state in (ItemState.SEARCHABLE, ItemState.DELETED, ItemState.FAILED)


class IndexReady(BaseModel):
    """Message on `index.ready.<collection>`: a manifest is committed and can be loaded."""

    model_config = ConfigDict(frozen=True, title="IndexReady")

    collection: CollectionName
    collection_uid: str
    generation: str
    space: str
    manifest_version: int = Field(ge=1)
    items: int = Field(ge=0)
    segments: int = Field(ge=0)
    checkpoint: int = Field(ge=0, description="Last sequence of EMBEDDED that the manifest contains")
    committed_at: AwareDatetime
    reason: Literal["created", "commit", "merge", "switch"] = "commit"
    #: Trace contexts of the sampled items that this commit made visible, so that the reload joins their traces.
    traceparents: tuple[str, ...] = Field(default=(), max_length=1000)


class IndexFailed(BaseModel):
    """Message on `index.failed.<collection>`: the indexer stopped a collection rather than skip or corrupt items."""

    model_config = ConfigDict(frozen=True, title="IndexFailed")

    collection: CollectionName
    collection_uid: str
    reason: str
    failed_at: AwareDatetime


class SearcherAnnouncement(BaseModel):
    """Value in the `searchers` bucket, by searcher id: what a live searcher has loaded."""

    model_config = ConfigDict(frozen=True)

    searcher: str
    address: str
    #: Manifest version by `<collection>-<uid>`.
    manifests: dict[str, int]
