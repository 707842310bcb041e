"""Which items of a segment a filter accepts."""

import functools

import numpy as np

from sightwire.segments.reader import SegmentReader
from sightwire.v1 import searcher_pb2
from sightwire_searcher.filters.columns import (
    Mask,
    elements_equal_to_any,
    has_value,
    list_elements,
    rows_where,
    rows_with_element,
    truth,
)
from sightwire_searcher.filters.constants import (
    comparison_test,
    membership_test,
    microseconds_ceiling,
    microseconds_floor,
)


def item_mask(segment: SegmentReader, filter_: searcher_pb2.Filter) -> Mask:
    """Evaluates a filter that `check_filter` has accepted; bool [segment.rows], deletions not considered.

    A condition on an absent value is false, and `not` of it true.
    """
    match filter_.WhichOneof("condition"):
        case "all":
            return functools.reduce(np.logical_and, (item_mask(segment, part) for part in filter_.all.filters))
        case "any":
            return functools.reduce(np.logical_or, (item_mask(segment, part) for part in filter_.any.filters))
        case "not":
            return ~item_mask(segment, negated(filter_))
        case "tags_any":
            tags = segment.items["tags"]
            return rows_with_element(tags, elements_equal_to_any(tags, list(filter_.tags_any.values)))
        case "tags_all":
            return _with_all_tags(segment, list(filter_.tags_all.values))
        case "time":
            return _within(segment, filter_.time)
        case "metadata":
            return rows_where(segment.metadata(filter_.metadata.field), comparison_test(filter_.metadata))
        case "metadata_in":
            membership = filter_.metadata_in
            return rows_where(segment.metadata(membership.field), membership_test(list(membership.values)))
        case "metadata_exists":
            return has_value(segment.metadata(filter_.metadata_exists))
        case "classes":
            return _with_classes(segment, filter_.classes)
        case "ids":
            return _with_ids(segment, list(filter_.ids.values))
        case "has_image":
            with_image = truth(segment.items["has_image"])
            return with_image if filter_.has_image else ~with_image
        case condition:
            raise AssertionError(f"unchecked filter with condition {condition!r}")


def negated(filter_: searcher_pb2.Filter) -> searcher_pb2.Filter:
    """The filter inside a `not`, whose name is a keyword of Python."""
    inner: searcher_pb2.Filter = getattr(filter_, "not")
    return inner


def _with_all_tags(segment: SegmentReader, wanted: list[str]) -> Mask:
    tags = segment.items["tags"]
    mask = np.ones(segment.rows, dtype=np.bool_)
    # One tag at a time: an item may repeat a tag, so that counting matches would not do.
    for tag in wanted:
        mask &= rows_with_element(tags, elements_equal_to_any(tags, [tag]))
        if not mask.any():
            break
    return mask


def _within(segment: SegmentReader, time_range: searcher_pb2.TimeRange) -> Mask:
    mask = np.ones(segment.rows, dtype=np.bool_)
    if time_range.HasField("from"):
        mask &= segment.times >= microseconds_ceiling(getattr(time_range, "from"))
    if time_range.HasField("to"):
        mask &= segment.times <= microseconds_floor(time_range.to)
    return mask


def _with_classes(segment: SegmentReader, wanted: searcher_pb2.DetectedClasses) -> Mask:
    class_lists = segment.items["class_ids"]
    class_ids = list_elements(class_lists)
    confident = list_elements(segment.items["class_confidences"]) >= np.float32(wanted.min_confidence)
    if not wanted.require_all:
        return rows_with_element(class_lists, np.isin(class_ids, list(wanted.class_ids)) & confident)
    return functools.reduce(
        np.logical_and,
        (rows_with_element(class_lists, (class_ids == class_id) & confident) for class_id in wanted.class_ids),
    )


def _with_ids(segment: SegmentReader, ids: list[str]) -> Mask:
    mask = np.zeros(segment.rows, dtype=np.bool_)
    rows = segment.find_ids(ids)
    mask[rows[rows >= 0]] = True
    return mask
