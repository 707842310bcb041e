"""What callers send and get when they put items: models of bodies and answers."""

from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from sightwire.contracts.events import MAX_TAGS, MAX_TEXT_CHARACTERS, ItemState, Sha256, Tag
from sightwire.contracts.names import FieldName, ItemId
from sightwire_gateway.problems import Problem


class ImageRequest(BaseModel):
    """A picture: exactly one of `url`, `data` and `blob`."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(
        default=None, description="http(s) URL at a public address; fetched before the answer", max_length=8192
    )
    data: str | None = Field(default=None, description="The file's bytes in base64, or a data: URL")
    blob: Sha256 | None = Field(default=None, description="sha256 of a picture that was uploaded before")
    filename: str | None = Field(default=None, max_length=1024)

    @model_validator(mode="after")
    def _exactly_one_source(self) -> Self:
        given = [name for name in ("url", "data", "blob") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"an image needs exactly one of 'url', 'data' and 'blob', got {given or 'none'}")
        return self


class ItemRequest(BaseModel):
    """An item: at least one of `image`, `text` and `vectors`. Putting an id again replaces the whole item."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "id": "beach-1",
                "text": "a dog on the beach",
                "tags": ["holiday"],
                "metadata": {"price": 12.5},
                "time": "2026-01-31T12:00:00Z",
                "image": {"url": "https://example.org/beach.jpg"},
            }
        },
    )

    id: ItemId | None = Field(default=None, description="Any text of 1 to 256 characters; none: a new UUID (version 7)")
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARACTERS)] | None = Field(
        default=None, description="The item's text, or the caption of its image"
    )
    tags: list[Tag] = Field(default_factory=list, max_length=MAX_TAGS)
    metadata: dict[str, Any] = Field(default_factory=dict)
    time: AwareDatetime | None = Field(default=None, description="When it was made or happened; none: now")
    image: ImageRequest | None = None
    vectors: dict[FieldName, list[float] | str] = Field(
        default_factory=dict, description="Vectors of your own, as numbers or as base64 of little-endian float32"
    )


class BatchRequest(BaseModel):
    """Several items, each on its own: one that is refused does not hinder the others."""

    model_config = ConfigDict(extra="forbid")

    items: list[dict[str, Any]] = Field(
        min_length=1, description="Items as for a single put", examples=[[{"id": "a", "text": "a cat"}]]
    )


class AcceptedItem(BaseModel):
    """The item is safely on the bus. `version` orders puts of one id: the highest wins."""

    id: str = Field(examples=["beach-1"])
    version: int = Field(examples=[4711])
    status: ItemState = Field(examples=["accepted"])
    collection: str = Field(examples=["demo"])
    status_url: str = Field(examples=["/v1/collections/demo/items/beach-1/status"])


class BatchAccepted(BaseModel):
    """An item of a batch that is on the bus."""

    index: int
    id: str
    version: int


class BatchFailed(BaseModel):
    """An item of a batch that was refused, and why."""

    index: int
    id: str | None = None
    problem: Problem


class BatchResult(BaseModel):
    """What became of each item of a batch."""

    accepted: list[BatchAccepted]
    failed: list[BatchFailed]


class StoredPicture(BaseModel):
    """An uploaded picture; put items with `{"image": {"blob": "<sha256>"}}`."""

    sha256: str
    media_type: str = Field(examples=["image/jpeg"])
    width: int
    height: int
    bytes: int
