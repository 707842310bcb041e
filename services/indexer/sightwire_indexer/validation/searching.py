"""Searches a generation as a searcher does, through the same plans, without being one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sightwire.contracts.collections import CollectionRecord, Metric
from sightwire.segments.deletes import deleted_mask
from sightwire.segments.open_generations import OpenGeneration
from sightwire.segments.schema import SegmentSchema
from sightwire.segments.selection import Selection
from sightwire.segments.vector_indexes.policy import index_parameters
from sightwire.segments.vectors import Matrix
from sightwire.segments.version_index import LiveSegment

#: By how much a score may differ from one computed in double precision, in terms of the vectors' lengths.
_SCORE_TOLERANCE: Final = 1e-4


class Target(NamedTuple):
    """Whose a vector is: position of the segment, and item row (object row for object fields)."""

    segment: int
    row: int


class Found(NamedTuple):
    """A vector that a search found; a higher score is closer."""

    score: float
    target: Target


class GenerationSearch:
    """A generation, and which of its vectors may be found. Used by one thread at a time.

    Args:
        record: the collection that it is a generation of.
    """

    def __init__(self, generation: OpenGeneration, record: CollectionRecord) -> None:
        self.generation: Final = generation
        self.schema: Final = SegmentSchema.from_record(record)
        self._spec = record.spec
        self._selections: dict[tuple[int, str], Selection] = {}

    @cached_property
    def segments(self) -> tuple[LiveSegment, ...]:
        return tuple(segment.live for segment in self.generation.segments)

    @cached_property
    def live_rows(self) -> list[npt.NDArray[np.int64]]:
        """Item rows of each segment that may be found."""
        return [np.flatnonzero(mask) for mask in self._live_masks]

    def selection(self, segment: int, field: str) -> Selection:
        """Vectors of a segment that may be found."""
        key = (segment, field)
        if key not in self._selections:
            reader = self.segments[segment].reader
            mask = self._live_masks[segment]
            if self.schema.vector(field).per_object:
                mask = mask[reader.object_item_rows]
            self._selections[key] = reader.select(field, mask)
        return self._selections[key]

    def vectors(self, field: str) -> int:
        """Number of vectors that may be found."""
        return sum(self.selection(position, field).count for position in range(len(self.segments)))

    def search(self, field: str, queries: Matrix, k: int, *, exact: bool = False) -> list[list[Found]]:
        """The `k` closest vectors per query, best first.

        Args:
            queries: float32 [n, dimension], such as stored vectors are.
            exact: compare with every vector, whatever it costs.
        """
        merged: list[list[Found]] = [[] for _ in queries]
        for position in range(len(self.segments)):
            for answer, part in zip(merged, self.search_segment(position, field, queries, k, exact=exact), strict=True):
                answer.extend(part)
        return [sorted(answer, key=lambda found: -found.score)[:k] for answer in merged]

    def search_segment(
        self, position: int, field: str, queries: Matrix, k: int, *, exact: bool = False
    ) -> list[list[Found]]:
        """What one segment answers, in its own order; see `search`."""
        selection = self.selection(position, field)
        if not selection.count:
            return [[] for _ in queries]
        effort = index_parameters(self._spec.fields[field], self.generation.index).ef_search
        index = self.segments[position].reader.fields[field]
        hits = index.search_prepared(
            queries, min(k, selection.count), selection=selection, ef_search=effort, exact=exact
        )
        return [
            [Found(score, Target(position, row)) for score, row in zip(scores, rows, strict=True) if row >= 0]
            for scores, rows in zip(hits.scores.tolist(), hits.rows.tolist(), strict=True)
        ]

    def vector(self, field: str, target: Target) -> Matrix:
        """The stored vector of a target, float32 [dimension]."""
        vector = self.segments[target.segment].reader.vector(field, target.row)
        assert vector is not None, f"{target} of field {field!r} was found by its vector"
        return vector

    def matrix(self, field: str, targets: Sequence[Target]) -> Matrix:
        """The stored vectors of targets, float32 [targets, dimension]."""
        return np.stack([self.vector(field, target) for target in targets])

    def item_id(self, field: str, target: Target) -> str:
        """Id of the item whose vector it is."""
        reader = self.segments[target.segment].reader
        row = target.row
        if self.schema.vector(field).per_object:
            row = int(reader.object_item_rows[row])
        return reader.ids([row])[0]

    def true_score(self, field: str, query: Matrix, target: Target) -> TrueScore:
        """The score of a stored vector, computed from it in double precision."""
        first, second = query.astype(np.float64), self.vector(field, target).astype(np.float64)
        if self.schema.vector(field).metric is Metric.L2:
            size = float(first @ first + second @ second)
            return TrueScore(-float(np.sum((first - second) ** 2)), _SCORE_TOLERANCE * size)
        size = float(np.linalg.norm(first) * np.linalg.norm(second))
        return TrueScore(float(first @ second), _SCORE_TOLERANCE * size)

    @cached_property
    def _live_masks(self) -> list[npt.NDArray[np.bool_]]:
        return [~deleted_mask(segment.deletes, segment.reader.rows) for segment in self.segments]


class TrueScore(NamedTuple):
    """A score, and by how much one in single precision may differ from it."""

    value: float
    tolerance: float
