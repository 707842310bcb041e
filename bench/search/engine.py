"""What every engine in the comparison offers: an index of the corpus, and an answer to one query."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sightwire.segments.vectors import Matrix

K = 10
#: Every vector has one of so many buckets, at random, so that `bucket < n` selects n per cent.
BUCKETS = 100


@dataclass(frozen=True, slots=True)
class Task:
    """Vectors to find and queries to ask; unit length, float32."""

    name: str
    #: [vectors, dimension].
    vectors: Matrix
    #: [queries, dimension].
    queries: Matrix
    #: 0 to 99 for each vector, int64 [vectors].
    buckets: npt.NDArray[np.int64]

    @classmethod
    def of(cls, name: str, vectors: Matrix, queries: Matrix) -> "Task":
        """The task with buckets drawn."""
        buckets = np.random.default_rng(7).integers(0, BUCKETS, len(vectors))
        return cls(name, vectors, queries, buckets)


#: Answers query number n: the rows of the vectors that were found.
Ask = Callable[[int], Awaitable[Sequence[int]]]


class Engine(Protocol):
    """An engine that holds the task's vectors."""

    @property
    def name(self) -> str: ...

    @property
    def build_seconds(self) -> float:
        """From the first vector handed over until the index that answers is complete; 0 if it is another engine's."""
        ...

    def asking(self, *, effort: int, percent: int) -> Ask:
        """How to ask with an effort (`ef`), of all vectors or of those whose bucket is below `percent`."""
        ...

    def resident_bytes(self) -> int | None:
        """Memory of the process that answers; None where that is this process."""
        ...


@dataclass(frozen=True, slots=True)
class Truth:
    """The right answers by exact search."""

    task: Task
    _by_percent: dict[int, npt.NDArray[np.int64]] = field(default_factory=dict)

    def rows(self, percent: int) -> npt.NDArray[np.int64]:
        """The K nearest of the selected vectors for each query, int64 [queries, K]."""
        if percent not in self._by_percent:
            selected = np.flatnonzero(self.task.buckets < percent)
            products = self.task.queries @ self.task.vectors[selected].T
            nearest = np.argpartition(-products, K, axis=1)[:, :K]
            self._by_percent[percent] = selected[nearest]
        return self._by_percent[percent]

    def recall(self, found: Sequence[Sequence[int]], percent: int) -> float:
        """Mean share of the right answers among those found; one answer per query, in their order."""
        expected = self.rows(percent)
        hits = [len(set(rows) & set(right.tolist())) for rows, right in zip(found, expected, strict=True)]
        return sum(hits) / (K * len(hits))
