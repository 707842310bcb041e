"""What callers send to search: models of bodies. Answers are in `search_answers`."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sightwire.contracts.names import FieldName, ItemId
from sightwire_gateway.item_requests import ImageRequest

MAX_K = 1000

Weight = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


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
    #: That of words is then added as `weighted` does.
    MEAN = "mean"
    #: Reciprocal rank fusion.
    RRF = "rrf"
    #: Weighted sum of scores, each ranking's scaled to 0..1.
    WEIGHTED = "weighted"


class TextPart(StrEnum):
    """Where full-text search looks."""

    TEXT = "text"
    TAGS = "tags"
    CLASSES = "classes"


class FullTextQuery(BaseModel):
    """Words to find. `"red shoe"` is a phrase, `shoe*` a prefix, `shoo~1` forgives a letter, `-red` excludes."""

    model_config = ConfigDict(extra="forbid")

    query: str | None = Field(default=None, description="Required, but for `hybrid`, which takes the query's text")
    parts: list[TextPart] | None = Field(default=None, min_length=1, description="None: all of them")
    require_all: bool = Field(default=False, description="Whether all words must occur; one is enough otherwise")
    weight: Weight | None = Field(default=None, description="Beside a query's vectors; none: 1, with `hybrid` 0.5")
    highlight: bool = Field(default=False, description="Answer with excerpts in which the words are marked")


class SortKey(BaseModel):
    """A field to order results by. Short form: the field's name, with `-` before it for falling values."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(min_length=1, description="A metadata field, `_time` or `_id`")
    descending: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return {"field": value.removeprefix("-"), "descending": value.startswith("-")}


class GroupBy(BaseModel):
    """The best hits of each value of a metadata field; `k` then counts groups. Short form: the field's name."""

    model_config = ConfigDict(extra="forbid")

    field: FieldName
    size: Annotated[int, Field(ge=1, le=100, description="Hits a group")] = 1

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: object) -> object:
        return {"field": value} if isinstance(value, str) else value


class FacetRequest(BaseModel):
    """A field whose values are counted over everything that passes the filter. Short form: the field's name."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(min_length=1, description="A metadata field, `_tags` or `_classes`")
    limit: Annotated[int, Field(ge=1, le=1000, description="Values, most frequent first")] = 10

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: object) -> object:
        return {"field": value} if isinstance(value, str) else value


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
    full_text: FullTextQuery | None = Field(
        default=None, description="Ranks by words (BM25), alone or together with the query's vectors"
    )
    hybrid: bool = Field(default=False, description="Searches the query's text both by vectors and by words")
    fusion: Fusion | None = Field(
        default=None,
        description="How several rankings become one; none: `mean` where similarities can be compared, "
        "else `weighted` with words, else `rrf`",
    )
    weights: dict[FieldName, Weight] | None = Field(
        default=None, description="Of vector fields in the fusion, 1 where not given; words have `full_text.weight`"
    )
    target: Target = Target.ITEMS
    filter: dict[str, Any] | None = Field(default=None, description="See the schema `Filter`")
    sort: list[SortKey] | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        description="Orders what passes the filter and has the words; not together with `query`",
        json_schema_extra={"examples": [["-price", {"field": "_time", "descending": True}]]},
    )
    group_by: GroupBy | None = None
    facets: list[FacetRequest] | None = Field(default=None, min_length=1, max_length=16)
    k: Annotated[int, Field(ge=1, le=MAX_K, description="Hits, or groups with `group_by`")] = 10
    cursor: str | None = Field(default=None, max_length=1000, description="`next_cursor` of the page before")
    explain: bool = False
    ef_search: Annotated[int, Field(ge=8, le=4096)] | None = Field(
        default=None, description="Effort of graph indexes; none: the collection's"
    )
