"""Constants of filters as Arrow compares them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.timestamp_pb2 import Timestamp

from sightwire.segments.schema import TIMESTAMP
from sightwire.v1 import searcher_pb2

_MICROSECONDS: Final = 1_000_000
_NANOSECONDS_PER_MICROSECOND: Final = 1000
#: Of year 1 and of the end of year 9999, as protobuf limits timestamps.
MIN_SECONDS: Final = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
MAX_SECONDS: Final = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())

_COMPARISONS: Final[dict[int, Callable[[Any, Any], Any]]] = {
    searcher_pb2.OPERATOR_EQ: pc.equal,
    searcher_pb2.OPERATOR_NE: pc.not_equal,
    searcher_pb2.OPERATOR_LT: pc.less,
    searcher_pb2.OPERATOR_LTE: pc.less_equal,
    searcher_pb2.OPERATOR_GT: pc.greater,
    searcher_pb2.OPERATOR_GTE: pc.greater_equal,
}


def microseconds_floor(timestamp: Timestamp) -> int:
    """Last microsecond since 1970 UTC that is not after `timestamp`; segments store whole microseconds."""
    return timestamp.seconds * _MICROSECONDS + timestamp.nanos // _NANOSECONDS_PER_MICROSECOND


def microseconds_ceiling(timestamp: Timestamp) -> int:
    """First microsecond since 1970 UTC that is not before `timestamp`."""
    return timestamp.seconds * _MICROSECONDS - (-timestamp.nanos // _NANOSECONDS_PER_MICROSECOND)


def comparison_test(comparison: searcher_pb2.Comparison) -> Callable[[Any], Any]:
    """The test of `comparison` over an Arrow array of the field's type."""
    compare = _COMPARISONS[comparison.operator]
    constant = arrow_scalar(comparison.value)
    return lambda values: compare(values, constant)


def membership_test(values: list[searcher_pb2.Value]) -> Callable[[Any], Any]:
    """The test whether a value is one of `values`, all of one type."""
    constants = [arrow_scalar(value) for value in values]
    value_set = pa.array([constant.as_py() for constant in constants], type=constants[0].type)
    return lambda column: pc.is_in(column, value_set=value_set)


def arrow_scalar(value: searcher_pb2.Value) -> Any:
    """`value` with the Arrow type that its column's values have."""
    match value.WhichOneof("kind"):
        case "string_value":
            return pa.scalar(value.string_value, type=pa.string())
        case "integer_value":
            return pa.scalar(value.integer_value, type=pa.int64())
        case "float_value":
            return pa.scalar(value.float_value, type=pa.float64())
        case "boolean_value":
            return pa.scalar(value.boolean_value, type=pa.bool_())
        case "datetime_value":
            return pa.scalar(microseconds_floor(value.datetime_value), type=TIMESTAMP)
        case kind:
            raise AssertionError(f"unchecked value of kind {kind!r}")
