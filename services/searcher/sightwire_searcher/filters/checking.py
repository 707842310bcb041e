"""Refuses filters that do not fit the collection, so that evaluating one cannot fail.

The gateway builds only filters that pass; a client of the gRPC interface may send anything.
"""

import math
from collections.abc import Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from sightwire.contracts.collections import CollectionSpec, MetadataType
from sightwire.contracts.filters import MAX_FILTER_DEPTH, MAX_FILTER_VALUES
from sightwire.errors import InvalidFilterError
from sightwire.v1 import searcher_pb2
from sightwire_searcher.filters.constants import (
    MAX_SECONDS,
    MIN_SECONDS,
    microseconds_ceiling,
    microseconds_floor,
)
from sightwire_searcher.filters.item_masks import negated

_VALUE_KINDS: Final[dict[MetadataType, str]] = {
    MetadataType.STRING: "string_value",
    MetadataType.STRING_LIST: "string_value",
    MetadataType.INTEGER: "integer_value",
    MetadataType.FLOAT: "float_value",
    MetadataType.BOOLEAN: "boolean_value",
    MetadataType.DATETIME: "datetime_value",
}
_UNORDERED: Final = frozenset({MetadataType.BOOLEAN, MetadataType.STRING_LIST})
_NANOSECONDS_PER_MICROSECOND: Final = 1000


def check_filter(filter_: searcher_pb2.Filter, spec: CollectionSpec, *, depth: int = 0) -> None:
    """Checks a filter's shape, its field names and the types of its values.

    Raises:
        InvalidFilterError: it does not fit; the message says what was expected.
    """
    if depth >= MAX_FILTER_DEPTH:
        raise InvalidFilterError(f"a filter may be nested {MAX_FILTER_DEPTH} deep at most")
    match filter_.WhichOneof("condition"):
        case "all":
            _check_parts("all", filter_.all.filters, spec, depth)
        case "any":
            _check_parts("any", filter_.any.filters, spec, depth)
        case "not":
            check_filter(negated(filter_), spec, depth=depth + 1)
        case "tags_any":
            _check_count("tags_any", filter_.tags_any.values)
        case "tags_all":
            _check_count("tags_all", filter_.tags_all.values)
        case "time":
            _check_time(filter_.time)
        case "metadata":
            _check_comparison(filter_.metadata, spec)
        case "metadata_in":
            _check_count("metadata_in", filter_.metadata_in.values)
            kind = _declared_type(filter_.metadata_in.field, spec)
            for value in filter_.metadata_in.values:
                _check_value(filter_.metadata_in.field, kind, value)
        case "metadata_exists":
            _declared_type(filter_.metadata_exists, spec)
        case "classes":
            _check_classes(filter_.classes)
        case "ids":
            _check_count("ids", filter_.ids.values)
        case "has_image":
            return
        case _:
            raise InvalidFilterError("a filter has exactly one condition, got none")


def _check_parts(name: str, parts: Sequence[searcher_pb2.Filter], spec: CollectionSpec, depth: int) -> None:
    _check_count(name, parts)
    for part in parts:
        check_filter(part, spec, depth=depth + 1)


def _check_count(name: str, values: Sequence[object]) -> None:
    if not 1 <= len(values) <= MAX_FILTER_VALUES:
        raise InvalidFilterError(f"{name!r} expects 1 to {MAX_FILTER_VALUES} values, got {len(values)}")


def _check_time(wanted: searcher_pb2.TimeRange) -> None:
    if not wanted.HasField("from") and not wanted.HasField("to"):
        raise InvalidFilterError("a time range needs 'from', 'to' or both")
    if wanted.HasField("from"):
        _check_timestamp("time.from", getattr(wanted, "from"))
    if wanted.HasField("to"):
        _check_timestamp("time.to", wanted.to)
    is_closed = wanted.HasField("from") and wanted.HasField("to")
    if is_closed and microseconds_ceiling(getattr(wanted, "from")) > microseconds_floor(wanted.to):
        raise InvalidFilterError("a time range expects 'from' not after 'to'")


def _check_comparison(comparison: searcher_pb2.Comparison, spec: CollectionSpec) -> None:
    kind = _declared_type(comparison.field, spec)
    if comparison.operator == searcher_pb2.OPERATOR_UNSPECIFIED or comparison.operator not in (
        searcher_pb2.Operator.values()
    ):
        raise InvalidFilterError(f"a comparison with {comparison.field!r} needs an operator, got {comparison.operator}")
    is_equality = comparison.operator in (searcher_pb2.OPERATOR_EQ, searcher_pb2.OPERATOR_NE)
    if kind in _UNORDERED and not is_equality:
        raise InvalidFilterError(f"metadata field {comparison.field!r} is {kind.value} and has no order: use EQ or NE")
    _check_value(comparison.field, kind, comparison.value)


def _check_value(field: str, kind: MetadataType, value: searcher_pb2.Value) -> None:
    expected, given = _VALUE_KINDS[kind], value.WhichOneof("kind")
    if given != expected:
        raise InvalidFilterError(f"metadata field {field!r} is {kind.value}: expected a {expected}, got {given}")
    if given == "float_value" and not math.isfinite(value.float_value):
        raise InvalidFilterError(f"metadata field {field!r} expects a finite number, got {value.float_value}")
    if given == "datetime_value":
        _check_timestamp(field, value.datetime_value)
        if value.datetime_value.nanos % _NANOSECONDS_PER_MICROSECOND:
            raise InvalidFilterError(
                f"metadata field {field!r} is stored in microseconds: expected a whole number of them, "
                f"got {value.datetime_value.nanos} ns"
            )


def _check_timestamp(name: str, timestamp: Timestamp) -> None:
    if not (MIN_SECONDS <= timestamp.seconds <= MAX_SECONDS and 0 <= timestamp.nanos < 1_000_000_000):
        raise InvalidFilterError(
            f"{name!r} expects a time between the years 1 and 9999, got {timestamp.seconds} s {timestamp.nanos} ns"
        )


def _declared_type(field: str, spec: CollectionSpec) -> MetadataType:
    declared = spec.metadata.get(field)
    if declared is None:
        known = ", ".join(sorted(spec.metadata)) or "none"
        raise InvalidFilterError(
            f"metadata field {field!r} is not in the schema of collection {spec.name!r} (declared: {known})"
        )
    return declared.type


def _check_classes(classes: searcher_pb2.DetectedClasses) -> None:
    _check_count("classes", classes.class_ids)
    if not 0.0 <= classes.min_confidence <= 1.0:
        raise InvalidFilterError(f"'min_confidence' expects 0 to 1, got {classes.min_confidence}")
