"""What every kind of index can do."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from sightwire.segments.search_plan import SearchPlan
from sightwire.segments.selection import Selection
from sightwire.segments.vectors import Matrix

Rows = npt.NDArray[np.int64]


class ApproximateIndex(Protocol):
    """An index over the vectors of one field, opened. Thread-safe; it releases the GIL while it searches."""

    @property
    def derived_bytes(self) -> int:
        """Memory that searches take and keep beside the mapped file."""
        ...

    def plan(self, *, allowed: int, k: int, ef_search: int) -> SearchPlan:
        """How to search for `k` of `allowed` vectors: through the index with so many candidates, or exactly.

        Args:
            ef_search: candidates that a graph would keep; more than the field's own makes other kinds look farther too.
        """
        ...

    def search(self, queries: Matrix, k: int, selection: Selection | None, plan: SearchPlan) -> tuple[Matrix, Rows]:
        """About the `k` closest of the selected vectors by a plan that is not exact, at least `k` being selected.

        Returns:
            Exact distances and vector rows, best first: float32 and int64 [queries, k].
        """
        ...
