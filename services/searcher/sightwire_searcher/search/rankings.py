"""Rankings: what a field found, best first; and how the answers of segments become one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from sightwire.segments.vectors import Matrix
from sightwire_searcher.snapshot import Snapshot

Value = TypeVar("Value")


class Found(NamedTuple):
    """An item that was found: its score (higher is closer), its id, and where it is in the snapshot."""

    score: float
    item_id: str
    segment: int
    row: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Items by falling score, then id. `complete`: there are no others that may be found."""

    found: list[Found]
    complete: bool


@dataclass(frozen=True, slots=True)
class SegmentHits:
    """What one segment found for one query, best first: float32 [n] and item rows, int64 [n]."""

    segment: int
    scores: Matrix
    rows: npt.NDArray[np.int64]


def values_of_found(found: Sequence[Found], read: Callable[[int, list[int]], Sequence[Value]]) -> list[Value]:
    """A value of each item, those of a segment read together.

    Args:
        read: called with a segment and rows of it.
    """
    by_segment: dict[int, list[int]] = {}
    for position, item in enumerate(found):
        by_segment.setdefault(item.segment, []).append(position)
    values: dict[int, Value] = {}
    for segment, positions in by_segment.items():
        rows = [found[position].row for position in positions]
        values.update(zip(positions, read(segment, rows), strict=True))
    return [values[position] for position in range(len(found))]


def merge(snapshot: Snapshot, parts: Sequence[SegmentHits], depth: int) -> list[Found]:
    """The best `depth` of what the segments found, by falling score, then id."""
    kept = _best(parts, depth)
    found: list[Found] = []
    for part in kept:
        ids = snapshot.segments[part.segment].reader.ids(part.rows)
        found.extend(map(Found, part.scores.tolist(), ids, repeat(part.segment), part.rows.tolist()))
    if len(kept) > 1 or _has_ties(found):
        found.sort(key=by_score_then_id)
    return found[:depth]


def _has_ties(found: Sequence[Found]) -> bool:
    return len({score for score, _, _, _ in found}) < len(found)


def by_score_then_id(found: Found) -> tuple[float, str]:
    """Sort key of a ranking."""
    return -found.score, found.item_id


def _best(parts: Sequence[SegmentHits], depth: int) -> list[SegmentHits]:
    """Leaves out what cannot be among the best `depth`, before ids are read; equal scores stay together."""
    parts = [part for part in parts if len(part.scores)]
    if sum(len(part.scores) for part in parts) <= depth:
        return list(parts)
    scores = np.concatenate([part.scores for part in parts])
    worst_kept = np.partition(scores, len(scores) - depth)[len(scores) - depth]
    best = []
    for part in parts:
        # Best first, so that what is kept of a segment is a beginning.
        count = int(np.count_nonzero(part.scores >= worst_kept))
        if count:
            best.append(SegmentHits(part.segment, part.scores[:count], part.rows[:count]))
    return best
