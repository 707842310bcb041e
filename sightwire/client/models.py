"""What the API answers. Members that a newer server adds are kept and reachable as attributes."""

from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)


class CollectionSummary(_Answer):
    """A collection in a list. `items` is None while the platform cannot tell."""

    name: str
    description: str = ""
    created_at: str = ""
    items: int | None = None
    manifest_version: int | None = None


class Collection(_Answer):
    """A collection: what was asked for at its creation, and how it stands.

    `fields` and `metadata` are as in `CollectionSpec`; dimensions are resolved. Sizes are in bytes.
    """

    name: str
    uid: str = ""
    description: str = ""
    created_at: str = ""
    fields: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    space: str = ""
    generation: str = ""
    class_names: tuple[str, ...] = ()
    items: int = 0
    segments: int = 0
    manifest_version: int | None = None
    resident_bytes: int | None = None
    disk_bytes: int | None = None


class ItemStatus(_Answer):
    """How far an item has come: accepted, embedded, searchable, deleted, or failed with a reason."""

    id: str
    state: str = Field(validation_alias=AliasChoices("state", "status"))
    collection: str = ""
    version: int | None = None
    reason: str | None = None
    objects: int | None = None
    manifest_version: int | None = None
    updated_at: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the state of this version will not change any more."""
        return self.state in {"searchable", "deleted", "failed"}


class AcceptedItem(_Answer):
    """An item of a batch that was taken; `index` is its place in the batch."""

    index: int
    id: str
    version: int | None = None


class FailedItem(_Answer):
    """An item of a batch that was refused; `problem` is an RFC 9457 problem document."""

    index: int
    id: str | None = None
    problem: dict[str, Any] = {}

    @property
    def reason(self) -> str:
        """Why, in words."""
        return str(self.problem.get("detail") or self.problem.get("title") or "refused without a reason")


class BatchResult(_Answer):
    """Each item of a batch is accepted or refused on its own."""

    accepted: tuple[AcceptedItem, ...] = ()
    failed: tuple[FailedItem, ...] = ()


class UploadedPicture(_Answer):
    """Bytes that the platform keeps; items refer to them by `sha256`. Sizes in pixels and bytes."""

    sha256: str
    media_type: str
    width: int
    height: int
    bytes: int


class MatchedObject(_Answer):
    """An object of a hit; `bbox` has x1, y1, x2, y2 in pixels of the original picture."""

    bbox: dict[str, float]
    class_id: int
    class_name: str
    confidence: float
    score: float | None = None


class Highlight(_Answer):
    """An excerpt of a part of an item in which words of the query occur.

    `ranges` are the words in `excerpt`, first character and after the last; `marked` is the excerpt as HTML that is
    safe to show, with the words in `<mark>`.
    """

    part: str
    excerpt: str
    ranges: tuple[tuple[int, int], ...] = ()
    marked: str = ""


class FacetValue(_Answer):
    """A value, and how many items have it."""

    value: str | int | bool
    count: int


class Facet(_Answer):
    """The values of a field over everything that passes the filter and has the words, most frequent first.

    `others` are items with a value that is not listed, `missing` those without any.
    """

    values: tuple[FacetValue, ...] = ()
    others: int = 0
    missing: int = 0


class Hit(_Answer):
    """A found item. A higher `score` is better; scores of one answer are comparable with each other.

    `group` is the value that the hit is grouped by, None for items without one.
    """

    id: str
    score: float
    item: dict[str, Any] = {}
    objects: tuple[MatchedObject, ...] = ()
    explain: dict[str, Any] | None = None
    group: str | int | float | bool | None = None
    highlights: tuple[Highlight, ...] = ()


class SearchResults(_Answer):
    """Hits, best first. `next_cursor` asks for the next page of the same query; `facets` are by field.

    `query_id` says which query this answers to those who tell which hit was chosen (`tell_click`).
    """

    hits: tuple[Hit, ...] = ()
    facets: dict[str, Facet] = {}
    next_cursor: str | None = None
    manifest_version: int | None = None
    took_ms: float | None = None
    query_id: str = ""


class Match(_Answer):
    """A description, its position among those that were sent, and its cosine similarity to the query."""

    index: int
    product_description: str
    score: float


class QueryMatches(_Answer):
    """A query's descriptions, best first."""

    query: str
    matches: tuple[Match, ...] = ()


class Predictions(_Answer):
    """For each query, in order, its descriptions; `model` has name and version of what compared them."""

    results: tuple[QueryMatches, ...] = ()
    model: dict[str, str] = {}
    space: str = ""
    took_ms: float | None = None


class ItemPage(_Answer):
    """One page of a collection's items, each as it is stored."""

    items: tuple[dict[str, Any], ...] = ()
    next_cursor: str | None = None
