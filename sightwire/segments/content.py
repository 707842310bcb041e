"""What goes into a segment, in columns; made from items by `batch` and from other segments by `merge`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sightwire.segments.schema import SegmentSchema
from sightwire.segments.vectors import Matrix


@dataclass(frozen=True, slots=True)
class FieldContent:
    """Vectors of one field in their stored form, and the item (or object) row of each.

    `matrix` is float32 [vectors, dimension]; `target_rows` is uint32 [vectors], strictly ascending.
    """

    matrix: Matrix
    target_rows: npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class SegmentContent:
    """Tables with the columns of `SegmentSchema.items`, `OBJECTS_SCHEMA` and `TOMBSTONES_SCHEMA`.

    Items are ordered by id hash and have distinct ids, and so are tombstones; objects are ordered by item row.
    """

    schema: SegmentSchema
    items: pa.Table
    objects: pa.Table
    tombstones: pa.Table
    fields: Mapping[str, FieldContent]
