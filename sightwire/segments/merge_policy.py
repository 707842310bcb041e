"""Which segments to merge: tiers by size, as a pure function.

A segment of `size` belongs to tier `floor(log_f(size))`, `f` being the segments per tier. As soon as a tier has `f`
segments they become one of a higher tier. So an index of n items keeps at most about `(f - 1) * log_f(n)` segments,
and an item is written again at most `log_f(n)` times.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from sightwire.segments.manifest import SegmentEntry


class SegmentSize(NamedTuple):
    """What the policy knows of a segment; `rows` includes the deleted ones."""

    id: str
    rows: int
    deleted: int
    tombstones: int = 0

    @classmethod
    def of(cls, entry: SegmentEntry) -> Self:
        """The size of a segment of a manifest."""
        return cls(entry.id, entry.rows, entry.rows - entry.live_rows, entry.tombstones)

    @property
    def live(self) -> int:
        """Items and tombstones that a merge would keep, at most; what its size is measured by."""
        return self.rows - self.deleted + self.tombstones


@dataclass(frozen=True, slots=True)
class MergePolicy:
    """Limits of the tiered policy.

    Args:
        segments_per_tier: how many segments of similar size make a merge; at least 2.
        max_rows: no merge makes a segment larger than this.
        max_deleted_share: a segment with a larger share of deleted rows is rewritten alone.
    """

    segments_per_tier: int = 6
    max_rows: int = 500_000
    max_deleted_share: float = 0.3

    def __post_init__(self) -> None:
        if self.segments_per_tier < 2 or self.max_rows < 1 or not 0 < self.max_deleted_share <= 1:
            raise ValueError(f"a merge policy needs 2 or more segments per tier and positive limits, got {self}")

    def merges(self, segments: Sequence[SegmentSize], busy: Collection[str] = ()) -> list[tuple[str, ...]]:
        """Sets of segment ids to merge now, disjoint, smallest segments first; empty when all is well.

        Args:
            busy: segments in merges that run already; they are left alone.
        """
        tiers: defaultdict[int, list[SegmentSize]] = defaultdict(list)
        merges: list[tuple[str, ...]] = []
        for segment in segments:
            if segment.id in busy:
                continue
            if segment.deleted > self.max_deleted_share * segment.rows:
                merges.append((segment.id,))
            elif segment.live < self.max_rows:
                tiers[self._tier(segment.live)].append(segment)
        for _, members in sorted(tiers.items()):
            merges.extend(self._merges_of_tier(members))
        return merges

    def _merges_of_tier(self, members: list[SegmentSize]) -> list[tuple[str, ...]]:
        waiting = sorted(members, key=lambda segment: (segment.live, segment.id))
        merges: list[tuple[str, ...]] = []
        while len(waiting) >= self.segments_per_tier:
            fitting = self._fitting_prefix(waiting[: self.segments_per_tier])
            if len(fitting) < 2:
                break
            merges.append(tuple(segment.id for segment in fitting))
            waiting = waiting[len(fitting) :]
        return merges

    def _fitting_prefix(self, candidates: list[SegmentSize]) -> list[SegmentSize]:
        """As many of the smallest candidates as fit into one segment."""
        total = 0
        for count, segment in enumerate(candidates):
            total += segment.live
            if total > self.max_rows:
                return candidates[:count]
        return candidates

    def _tier(self, size: int) -> int:
        tier = 0
        while size >= self.segments_per_tier:
            size //= self.segments_per_tier
            tier += 1
        return tier
