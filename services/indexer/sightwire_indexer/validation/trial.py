"""What a gate gets to see, and how it says what it saw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from sightwire.contracts.validation import GateReport, GateThresholds
from sightwire.segments.schema import SegmentSchema
from sightwire_indexer.validation.searching import GenerationSearch

GateName = Literal[
    "structure", "dimension", "count", "functional", "self_recall", "recall", "latency", "monotonicity", "metadata"
]

_MAX_FAILURES: Final = 24
_Element = TypeVar("_Element")


@dataclass(frozen=True, slots=True)
class Source:
    """What the candidate was made from.

    `search` is that, or the live generation where that is gone or lies outside the index (a backup). `complete` says
    which: a complete source holds exactly the items that the candidate must hold, in the same versions. Otherwise
    items may be missing from it, or be newer in it. `items` is their number, None if it is not known.
    """

    search: GenerationSearch
    complete: bool
    items: int | None


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate before the gates, with what it is compared with. `go_on` raises once nobody wants to know."""

    candidate: GenerationSearch
    source: Source
    live: GenerationSearch
    thresholds: GateThresholds
    #: Blobs that the candidate refers to and the store lacks.
    missing_blobs: Sequence[str] = ()
    go_on: Callable[[], None] = lambda: None

    @property
    def schema(self) -> SegmentSchema:
        return self.candidate.schema

    @property
    def fields(self) -> list[str]:
        """Names of the vector fields."""
        return [column.name for column in self.schema.vectors]


Gate = Callable[[Trial], GateReport]


def gate_report(
    gate: GateName, summary: str, measured: Mapping[str, Any], failures: Sequence[str], *, passed: bool
) -> GateReport:
    """What a gate saw; of many failures the first ones."""
    kept = tuple(failures[:_MAX_FAILURES])
    if len(failures) > len(kept):
        kept = (*kept, f"and {len(failures) - len(kept)} more")
    return GateReport(gate=gate, passed=passed, summary=summary, measured=dict(measured), failures=kept)


def batches(elements: Sequence[_Element], size: int) -> list[Sequence[_Element]]:
    """`elements` in parts of `size`."""
    return [elements[start : start + size] for start in range(0, len(elements), size)]
