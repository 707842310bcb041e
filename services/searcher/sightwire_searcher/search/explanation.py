"""What `explain` tells: how each segment was searched, and what it cost."""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

import orjson

from sightwire.segments.search_plan import SearchPlan
from sightwire.segments.vector_indexes.kinds import IndexKind
from sightwire_searcher.search.selections import Choice


class Strategy(StrEnum):
    """How a field of a segment was searched."""

    #: The segment's time range alone rules it out.
    PRUNED = "pruned"
    #: Nothing in it may be found.
    EMPTY = "empty"
    #: Every vector was compared.
    FLAT = "flat"
    #: Every vector that passes the filter was compared.
    SURVIVORS = "survivors"
    #: Through the index, of whatever kind.
    INDEX = "index"
    #: Through the index, keeping what passes the filter.
    FILTERED_INDEX = "filtered index"


def strategy_of(choice: Choice, plan: SearchPlan | None) -> Strategy:
    """The name of what was done; `plan` is None for a segment that was not searched."""
    if choice.pruned:
        return Strategy.PRUNED
    if plan is None or choice.count == 0:
        return Strategy.EMPTY
    if plan.exact:
        return Strategy.FLAT if choice.selection is None else Strategy.SURVIVORS
    return Strategy.INDEX if choice.selection is None else Strategy.FILTERED_INDEX


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """How one segment answered for one field. `candidates` is None unless the index was searched."""

    segment: str
    vectors: int
    index: IndexKind
    selected: int
    strategy: Strategy
    candidates: int | None
    found: int
    seconds: float


@dataclass(slots=True)
class FieldReport:
    """How one field was searched, to a depth of so many items."""

    field: str
    depth: int
    segments: list[SegmentReport] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ClauseReport:
    """A term of a text query: items that have it in the snapshot (for a phrase, its rarest word), and its IDF."""

    text: str
    excluded: bool = False
    items: int = 0
    idf: float = 0.0


@dataclass(frozen=True, slots=True)
class TextSegmentReport:
    """How one segment answered a text query: items that might be found, and those of its best that were."""

    segment: str
    selected: int
    found: int
    seconds: float


@dataclass(slots=True)
class TextReport:
    """How a text query was answered, to a depth of so many items. Segments where nothing can match are left out."""

    depth: int
    clauses: list[ClauseReport] = dataclasses.field(default_factory=list)
    segments: list[TextSegmentReport] = dataclasses.field(default_factory=list)


@dataclass(slots=True)
class Explanation:
    """Collected while a query runs; seconds by step."""

    manifest_version: int
    generation: str
    fields: list[FieldReport] = dataclasses.field(default_factory=list)
    #: One per depth that was searched; empty without a text query.
    texts: list[TextReport] = dataclasses.field(default_factory=list)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def as_json(self) -> bytes:
        return orjson.dumps(dataclasses.asdict(self))
