"""A checked query."""

from dataclasses import dataclass
from typing import Final

from sightwire.segments.vectors import Matrix
from sightwire.v1 import searcher_pb2
from sightwire_searcher.search.text_query import CheckedTextQuery


@dataclass(frozen=True, slots=True)
class CheckedFilter:
    """A filter that fits the collection. `key` is the same for the same filter."""

    message: searcher_pb2.Filter
    key: bytes


@dataclass(frozen=True, slots=True)
class FieldTarget:
    """One vector field to search."""

    field: str
    per_object: bool
    weight: float
    #: Candidates of a search in a graph index.
    ef_search: int
    #: float32 [1, dimension]; None: the stored vector of `item_id`.
    vector: Matrix | None
    item_id: str


#: The text query's name among those of the fields; none of them can be called so.
TEXT: Final = "_text"
#: What results can be ordered by beside metadata.
TIME: Final = "_time"
ID: Final = "_id"


@dataclass(frozen=True, slots=True)
class SortTarget:
    """A field to order by. Items without a value come last, whatever the direction."""

    field: str
    descending: bool = False


_NEWEST_FIRST: Final = (SortTarget(TIME, descending=True),)


@dataclass(frozen=True, slots=True)
class GroupTarget:
    """A metadata field, and how many hits each of its values shows."""

    field: str
    size: int


@dataclass(frozen=True, slots=True)
class FacetTarget:
    """A field whose `limit` most frequent values are wanted."""

    field: str
    limit: int


@dataclass(frozen=True, slots=True)
class Query:
    """What a search request asks for, checked against the snapshot that will answer."""

    targets: tuple[FieldTarget, ...]
    k: int
    offset: int
    filter: CheckedFilter | None
    explain: bool
    with_documents: bool
    #: Whether scores of several fields are averaged; their ranks are fused otherwise.
    by_mean_score: bool = False
    sort: tuple[SortTarget, ...] = ()
    group: GroupTarget | None = None
    facets: tuple[FacetTarget, ...] = ()
    text: CheckedTextQuery | None = None
    #: Whether scores of several rankings are scaled and added; see `normalized_scores`.
    by_normalized_score: bool = False

    @property
    def order(self) -> tuple[SortTarget, ...] | None:
        """What results are ordered by; None for falling score."""
        is_ranked = (bool(self.targets) or self.text is not None) and not self.sort
        return None if is_ranked else self.sort or _NEWEST_FIRST

    @property
    def place_names(self) -> tuple[str, ...]:
        """What the places of a ranked item are called: the fields' names, then, for a text query, `TEXT`."""
        names = tuple(target.field for target in self.targets)
        return names if self.text is None else (*names, TEXT)

    @property
    def is_plain(self) -> bool:
        """Whether one vector asks for the first page of one field's items, and for nothing else."""
        if len(self.targets) != 1 or self.offset or self.explain or self.facets:
            return False
        target = self.targets[0]
        return self.text is None and self.group is None and target.vector is not None and not target.per_object
