"""The objects of found items that match a query, with their scores."""

import numpy as np

from sightwire.contracts.collections import Metric
from sightwire.segments.mapped_table import numbers
from sightwire.segments.vectors import Matrix
from sightwire.v1 import embedder_pb2, searcher_pb2
from sightwire_searcher.filters.columns import Mask
from sightwire_searcher.search.query import CheckedFilter
from sightwire_searcher.search.rankings import Found
from sightwire_searcher.search.selections import object_rows
from sightwire_searcher.snapshot import SegmentView, Snapshot


class ObjectMatcher:
    """Scores all objects of an item against one vector of an object field, best first.

    The search that found the items saw some of their objects only; what is shown of an item does not depend on that.
    """

    def __init__(self, snapshot: Snapshot, field: str, vector: Matrix, filter_: CheckedFilter | None) -> None:
        self._snapshot = snapshot
        self._field = field
        self._vector = vector.reshape(-1)
        self._filter = filter_
        self._allowed: dict[int, Mask] = {}

    def match(self, found: Found) -> list[searcher_pb2.MatchedObject]:
        """The objects of a found item that pass the filter, best first."""
        view = self._snapshot.segments[found.segment]
        reader = view.reader
        first, end = reader.object_offsets[found.row : found.row + 2].tolist()
        objects = np.arange(first, end)
        if self._filter is not None:
            objects = objects[self._allowed_objects(found.segment, view)[first:end]]
        vector_rows = reader.fields[self._field].vector_rows(objects)
        has_vector = vector_rows >= 0
        objects, vector_rows = objects[has_vector], vector_rows[has_vector]
        scores = self._scores(view, reader.vectors(self._field)[vector_rows])
        order = np.argsort(-scores, kind="stable")
        return [
            searcher_pb2.MatchedObject(detection=detection(view, row), score=score, index=row - first)
            for row, score in zip(objects[order].tolist(), scores[order].tolist(), strict=True)
        ]

    def _allowed_objects(self, segment: int, view: SegmentView) -> Mask:
        mask = self._allowed.get(segment)
        if mask is None:
            mask = self._allowed[segment] = object_rows(view, self._filter)
        return mask

    def _scores(self, view: SegmentView, vectors: Matrix) -> Matrix:
        if view.reader.fields[self._field].description.metric is Metric.L2:
            differences = vectors - self._vector
            scores: Matrix = -np.einsum("ij,ij->i", differences, differences)
        else:
            scores = vectors @ self._vector
        return scores


def detection(view: SegmentView, object_row: int) -> embedder_pb2.Detection:
    """An object of a segment as the contract shows it."""
    reader = view.reader
    x1, y1, x2, y2 = reader.boxes[object_row].tolist()
    return embedder_pb2.Detection(
        x1=x1,
        y1=y1,
        x2=x2,
        y2=y2,
        class_id=int(numbers(reader.objects["class_id"])[object_row]),
        class_name=reader.objects["class_name"][object_row].as_py(),
        confidence=float(numbers(reader.objects["confidence"])[object_row]),
    )
