"""Durations as a histogram that can be added to others: exact count, sum, least and most; percentiles within 5 percent.

Bounds of buckets grow by a tenth, so that the geometric middle of one is within 5 percent of everything in it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_GROWTH: Final = 1.1
_LOG_GROWTH: Final = math.log(_GROWTH)
#: Seconds; what is shorter is in one bucket with this.
_SHORTEST: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Durations:
    """Durations in seconds."""

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = 0.0
    #: How many there are in each bucket that is not empty.
    buckets: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, seconds: float) -> "Durations":
        """One duration; a clock that was set back gives none below 0."""
        seconds = max(seconds, 0.0)
        return cls(1, seconds, seconds, seconds, {_bucket(seconds): 1})

    def __add__(self, other: "Durations") -> "Durations":
        buckets = dict(self.buckets)
        for bucket, count in other.buckets.items():
            buckets[bucket] = buckets.get(bucket, 0) + count
        return Durations(
            self.count + other.count,
            self.total + other.total,
            min(self.least, other.least),
            max(self.most, other.most),
            buckets,
        )

    @property
    def mean(self) -> float:
        """0 when there are none."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """A duration that this share of all is at most as long as, within 5 percent; 0 when there are none.

        Args:
            share: from 0 to 1.
        """
        if not self.count:
            return 0.0
        rank = max(math.ceil(share * self.count), 1)
        for bucket in sorted(self.buckets):
            rank -= self.buckets[bucket]
            if rank <= 0:
                return min(max(_middle(bucket), self.least), self.most)
        raise AssertionError("the buckets hold as many as are counted")


def _bucket(seconds: float) -> int:
    return 0 if seconds <= _SHORTEST else math.ceil(math.log(seconds / _SHORTEST) / _LOG_GROWTH)


def _middle(bucket: int) -> float:
    return float(_SHORTEST * _GROWTH ** (bucket - 0.5)) if bucket else _SHORTEST
