"""What a search answers: models for the documentation; `answers` writes the bytes."""

from typing import Any

from pydantic import BaseModel, Field


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


class HighlightAnswer(BaseModel):
    """An excerpt of a part of the item in which the query's words occur."""

    part: str = Field(examples=["text"])
    excerpt: str
    ranges: list[tuple[int, int]] = Field(
        description="Where words are in `excerpt`: first character, and after the last"
    )
    marked: str = Field(
        description="The excerpt as HTML, words in `<mark>`, all else escaped", examples=["a <mark>dog</mark>"]
    )


class FacetValueAnswer(BaseModel):
    """A value and how many items have it."""

    value: str | int | bool
    count: int


class FacetAnswer(BaseModel):
    """Values of a field over everything that passes the filter and has the words, most frequent first."""

    values: list[FacetValueAnswer]
    others: int = Field(description="Items with a value that is not listed")
    missing: int = Field(description="Items without any value")


class HitAnswer(BaseModel):
    """A found item."""

    id: str
    score: float = Field(description="Higher is better; a similarity or as `fusion` says; 0 with `sort`")
    item: ItemAnswer
    objects: list[dict[str, Any]] | None = Field(default=None, description="Objects that matched, best first")
    explain: dict[str, Any] | None = Field(
        default=None,
        description="Score and rank in each field, and by words as `_text`; rank 0 where it did not find the item",
    )
    group: str | int | float | bool | None = Field(
        default=None, description="Value of the hit's group, with `group_by`"
    )
    highlights: list[HighlightAnswer] | None = None


class SearchAnswer(BaseModel):
    """A page of hits."""

    query_id: str = Field(description="Also in the header `x-query-id`; `POST …/clicks` takes it")
    hits: list[HitAnswer]
    next_cursor: str | None = None
    manifest_version: int
    took_ms: float
    explain: dict[str, Any] | None = None
    facets: dict[str, FacetAnswer] | None = Field(default=None, description="By field, as asked for")
