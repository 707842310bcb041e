"""What callers send to search and get back: models of bodies and answers."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sightwire.contracts.names import FieldName, ItemId
from sightwire_gateway.item_requests import ImageRequest

MAX_K = 1000


class VectorQuery(BaseModel):
    """A vector to search one field with."""

    model_config = ConfigDict(extra="forbid")

    field: FieldName
    values: list[float] | str = Field(description="Numbers, or base64 of little-endian float32")


class Query(BaseModel):
    """What to search for: exactly one of the members. An uploaded `image` part stands for `image`."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = None
    image: ImageRequest | None = None
    vector: VectorQuery | None = None
    item: ItemId | None = Field(default=None, description="Id of a stored item: finds items like it")

    def given(self) -> list[str]:
        return [name for name in ("text", "image", "vector", "item") if getattr(self, name) is not None]

    @model_validator(mode="after")
    def _at_most_one_member(self) -> Self:
        if len(self.given()) > 1:
            raise ValueError(f"a query is exactly one of 'text', 'image', 'vector' and 'item', got {self.given()}")
        return self


class Target(StrEnum):
    """What is found: items by what they are, or by the objects in their images."""

    ITEMS = "items"
    OBJECTS = "objects"


class Fusion(StrEnum):
    """How the rankings of several fields become one."""

    #: Weighted mean of the similarities in those fields that the item has; for item fields with the metric cosine.
    MEAN = "mean"
    #: Reciprocal rank fusion.
    RRF = "rrf"


class SearchRequest(BaseModel):
    """A search."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "query": {"text": "a dog on the beach"},
                "filter": {"all": [{"tags_any": ["holiday"]}, {"classes": {"names": ["dog"], "min_confidence": 0.5}}]},
                "k": 10,
            }
        },
    )

    query: Query = Field(default_factory=Query)
    fields: list[FieldName] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="Vector fields to search; none: those that fit the query",
    )
    fusion: Fusion | None = Field(
        default=None,
        description="How several fields become one ranking; none: `mean` where scores can be compared, else `rrf`",
    )
    target: Target = Target.ITEMS
    filter: dict[str, Any] | None = Field(default=None, description="See the schema `Filter`")
    k: Annotated[int, Field(ge=1, le=MAX_K)] = 10
    cursor: str | None = Field(default=None, max_length=1000, description="`next_cursor` of the page before")
    explain: bool = False
    ef_search: Annotated[int, Field(ge=8, le=4096)] | None = Field(
        default=None, description="Effort of graph indexes; none: the collection's"
    )


class ItemAnswer(BaseModel):
    """An item as it is stored, with addresses of its picture."""

    id: str
    version: int
    time: str
    tags: list[str]
    metadata: dict[str, Any]
    text: str | None = None
    image: dict[str, Any] | None = None
    objects: list[dict[str, Any]] | None = None
    image_url: str | None = None
    thumbnail_url: str | None = None


class HitAnswer(BaseModel):
    """A found item."""

    id: str
    score: float = Field(description="Higher is closer; a similarity, or with `rrf` the fused rank score")
    item: ItemAnswer
    objects: list[dict[str, Any]] | None = Field(default=None, description="Objects that matched, best first")
    explain: dict[str, Any] | None = Field(
        default=None, description="Score and rank in each field; rank 0 where the field did not find the item"
    )


class SearchAnswer(BaseModel):
    """A page of hits."""

    hits: list[HitAnswer]
    next_cursor: str | None = None
    manifest_version: int
    took_ms: float
    explain: dict[str, Any] | None = None
