"""Which objects of a segment a filter accepts when objects are searched.

An object is accepted if its item is, and if, where the filter asks for detected classes, the object is one of those
that made the item match: a search among the objects of items with a dog finds the dogs, not everything next to them.
What stands under a `not` makes no object match.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sightwire.segments.mapped_table import numbers
from sightwire.segments.reader import SegmentReader
from sightwire.v1 import searcher_pb2
from sightwire_searcher.filters.columns import Mask
from sightwire_searcher.filters.item_masks import item_mask


@dataclass(frozen=True, slots=True)
class _Acceptance:
    """Masks over items and, if the filter names classes, over objects; the latter lie within the former."""

    items: Mask
    objects: Mask | None


def object_mask(segment: SegmentReader, filter_: searcher_pb2.Filter) -> Mask:
    """Evaluates a filter that `check_filter` has accepted; bool [objects], deletions not considered."""
    accepted = _accept(segment, filter_)
    if accepted.objects is None:
        return _objects_of(segment, accepted.items)
    return accepted.objects


def _accept(segment: SegmentReader, filter_: searcher_pb2.Filter) -> _Acceptance:
    match filter_.WhichOneof("condition"):
        case "all":
            return _accept_all(segment, [_accept(segment, part) for part in filter_.all.filters])
        case "any":
            return _accept_any(segment, [_accept(segment, part) for part in filter_.any.filters])
        case "classes":
            items = item_mask(segment, filter_)
            return _Acceptance(items, _objects_of(segment, items) & _objects_of_classes(segment, filter_.classes))
        case _:
            return _Acceptance(item_mask(segment, filter_), None)


def _accept_all(segment: SegmentReader, parts: list[_Acceptance]) -> _Acceptance:
    items = np.logical_and.reduce([part.items for part in parts])
    naming_classes = [part.objects for part in parts if part.objects is not None]
    if not naming_classes:
        return _Acceptance(items, None)
    # A dog and a cat are wanted in one picture: either of them is an object that matches.
    return _Acceptance(items, np.logical_or.reduce(naming_classes) & _objects_of(segment, items))


def _accept_any(segment: SegmentReader, parts: list[_Acceptance]) -> _Acceptance:
    items = np.logical_or.reduce([part.items for part in parts])
    if all(part.objects is None for part in parts):
        return _Acceptance(items, None)
    objects = [_objects_of(segment, part.items) if part.objects is None else part.objects for part in parts]
    return _Acceptance(items, np.logical_or.reduce(objects))


def _objects_of(segment: SegmentReader, items: Mask) -> Mask:
    objects: Mask = items[segment.object_item_rows]
    return objects


def _objects_of_classes(segment: SegmentReader, wanted: searcher_pb2.DetectedClasses) -> Mask:
    class_ids: Any = numbers(segment.objects["class_id"])
    confidences: Any = numbers(segment.objects["confidence"])
    mask: Mask = np.isin(class_ids, list(wanted.class_ids)) & (confidences >= np.float32(wanted.min_confidence))
    return mask
