"""What a segment's time range alone says about a filter."""

from dataclasses import dataclass
from enum import StrEnum

from sightwire.v1 import searcher_pb2
from sightwire_searcher.filters.constants import microseconds_ceiling, microseconds_floor
from sightwire_searcher.filters.item_masks import negated


class Coverage(StrEnum):
    """How many items of a segment a filter accepts, as far as known without looking at them."""

    NONE = "none"
    SOME = "some"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class TimeBounds:
    """Times of a segment's first and last item, microseconds since 1970 UTC."""

    first: int
    last: int


def coverage(filter_: searcher_pb2.Filter, bounds: TimeBounds) -> Coverage:
    """What `filter_` accepts of items whose times lie within `bounds`; SOME wherever anything but time decides."""
    match filter_.WhichOneof("condition"):
        case "time":
            return _time_coverage(filter_.time, bounds)
        case "all":
            return _all_of({coverage(part, bounds) for part in filter_.all.filters})
        case "any":
            return _any_of({coverage(part, bounds) for part in filter_.any.filters})
        case "not":
            return _opposite(coverage(negated(filter_), bounds))
        case _:
            return Coverage.SOME


def _time_coverage(wanted: searcher_pb2.TimeRange, bounds: TimeBounds) -> Coverage:
    start = microseconds_ceiling(getattr(wanted, "from")) if wanted.HasField("from") else bounds.first
    end = microseconds_floor(wanted.to) if wanted.HasField("to") else bounds.last
    if start > bounds.last or end < bounds.first:
        return Coverage.NONE
    if start <= bounds.first and end >= bounds.last:
        return Coverage.ALL
    return Coverage.SOME


def _all_of(parts: set[Coverage]) -> Coverage:
    if Coverage.NONE in parts:
        return Coverage.NONE
    return Coverage.ALL if parts == {Coverage.ALL} else Coverage.SOME


def _any_of(parts: set[Coverage]) -> Coverage:
    if Coverage.ALL in parts:
        return Coverage.ALL
    return Coverage.NONE if parts == {Coverage.NONE} else Coverage.SOME


def _opposite(part: Coverage) -> Coverage:
    return {Coverage.NONE: Coverage.ALL, Coverage.ALL: Coverage.NONE, Coverage.SOME: Coverage.SOME}[part]
