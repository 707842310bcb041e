"""Which segments are rewritten because their indexes are not of the kind that the collection wants: a pure function.

While items stream in, large segments get indexes that are built quickly, or come from one large commit without any.
Once it is quiet, each of them is rewritten on its own.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sightwire.segments.vector_indexes.kinds import IndexKind
from sightwire.segments.vector_indexes.policy import IndexPolicy


class FieldIndex(NamedTuple):
    """A field of a segment: `rows` counts its vectors."""

    field: str
    rows: int
    kind: IndexKind


class IndexedSegment(NamedTuple):
    """A segment, as far as it matters here; `rows` counts its live items."""

    id: str
    rows: int
    fields: Sequence[FieldIndex]


def segments_to_upgrade(segments: Sequence[IndexedSegment], wanted: IndexPolicy) -> list[str]:
    """Ids of segments to rewrite, the largest first: that is where searches spend their time."""
    outdated = [segment for segment in segments if any(_is_outdated(field, wanted) for field in segment.fields)]
    return [segment.id for segment in sorted(outdated, key=lambda segment: (-segment.rows, segment.id))]


def _is_outdated(field: FieldIndex, wanted: IndexPolicy) -> bool:
    """Whether a field would get an index of another kind now; one too small for any keeps what it has."""
    kind = wanted.kind_of(field.field, field.rows)
    return kind not in (field.kind, IndexKind.FLAT)
