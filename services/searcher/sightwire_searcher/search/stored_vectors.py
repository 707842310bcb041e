"""Queries by a stored item: its own vectors become the query."""

from collections.abc import Sequence

import numpy as np

from sightwire.errors import InvalidInputError, NotFoundError
from sightwire.segments.mapped_table import numbers
from sightwire.segments.vectors import Matrix
from sightwire_searcher.search.query import FieldTarget
from sightwire_searcher.snapshot import ItemPosition, Snapshot


def query_matrices(snapshot: Snapshot, targets: Sequence[FieldTarget]) -> list[Matrix | None]:
    """The vector of each target, float32 [1, dimension]; None where the item has none in that field.

    Raises:
        NotFoundError: the snapshot does not have an item.
        InvalidInputError: no target has a vector.
    """
    wanted = sorted({target.item_id for target in targets if target.vector is None})
    if not wanted:
        return [target.vector for target in targets]
    positions = dict(zip(wanted, snapshot.find(wanted), strict=True))
    missing = [item_id for item_id, position in positions.items() if position is None]
    if missing:
        raise NotFoundError(f"collection {snapshot.record.name!r} has no item {missing[0]!r} to search with")
    matrices = [
        target.vector if target.vector is not None else _stored_vector(snapshot, target, positions[target.item_id])
        for target in targets
    ]
    if all(matrix is None for matrix in matrices):
        fields = ", ".join(sorted({target.field for target in targets}))
        raise InvalidInputError(f"item {targets[0].item_id!r} has no vector in the field(s) {fields} to search with")
    return matrices


def _stored_vector(snapshot: Snapshot, target: FieldTarget, position: ItemPosition | None) -> Matrix | None:
    assert position is not None, "missing items are refused before"
    reader = snapshot.segments[position.segment].reader
    row = position.row
    if target.per_object:
        first, end = reader.object_offsets[row : row + 2].tolist()
        if first == end:
            return None
        # The object that the detector is surest of stands for the item.
        row = first + int(np.argmax(numbers(reader.objects["confidence"])[first:end]))
    vector = reader.vector(target.field, row)
    return vector.reshape(1, -1) if vector is not None else None
