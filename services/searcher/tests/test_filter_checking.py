"""What a filter is refused for, and which segments its time ranges rule out."""

from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sightwire_searcher.filters.checking import check_filter
from sightwire_searcher.filters.pruning import Coverage, TimeBounds, coverage

from services.searcher.tests.building import EPOCH, collection_record, microseconds
from sightwire.contracts.collections import MetadataType
from sightwire.contracts.filters import filter_to_proto, parse_filter
from sightwire.errors import InvalidFilterError
from sightwire.v1 import searcher_pb2 as pb

RECORD = collection_record(
    metadata={"shop": MetadataType.STRING, "price": MetadataType.FLOAT, "sold": MetadataType.BOOLEAN}
)


def nested(depth: int) -> pb.Filter:
    filter_ = pb.Filter(has_image=True)
    for _ in range(depth):
        filter_ = pb.Filter(**{"not": filter_})
    return filter_


@pytest.mark.parametrize(
    ("filter_", "message"),
    [
        (pb.Filter(), "exactly one condition"),
        (pb.Filter(all=pb.FilterList()), "1 to 10000 values, got 0"),
        (pb.Filter(any=pb.FilterList(filters=[pb.Filter()])), "exactly one condition"),
        (pb.Filter(tags_any=pb.StringList()), "'tags_any' expects 1 to 10000 values"),
        (pb.Filter(ids=pb.StringList(values=["x"] * 10_001)), "got 10001"),
        (pb.Filter(time=pb.TimeRange()), "needs 'from', 'to' or both"),
        (pb.Filter(time=pb.TimeRange(**{"from": Timestamp(seconds=5), "to": Timestamp(seconds=4)})), "not after"),
        (pb.Filter(time=pb.TimeRange(to=Timestamp(seconds=2**62))), "between the years 1 and 9999"),
        (
            pb.Filter(metadata_exists="colour"),
            "'colour' is not in the schema of collection 'photos' .*price, shop, sold",
        ),
        (
            pb.Filter(metadata=pb.Comparison(field="shop", value=pb.Value(string_value="a"))),
            "needs an operator",
        ),
        (
            pb.Filter(metadata=pb.Comparison(field="shop", operator=pb.OPERATOR_EQ, value=pb.Value(integer_value=1))),
            "'shop' is string: expected a string_value, got integer_value",
        ),
        (
            pb.Filter(
                metadata=pb.Comparison(field="sold", operator=pb.OPERATOR_LT, value=pb.Value(boolean_value=True))
            ),
            "has no order",
        ),
        (
            pb.Filter(metadata_in=pb.Membership(field="price", values=[pb.Value(float_value=float("nan"))])),
            "finite number",
        ),
        (pb.Filter(classes=pb.DetectedClasses()), "'classes' expects 1"),
        (pb.Filter(classes=pb.DetectedClasses(class_ids=[1], min_confidence=1.5)), "'min_confidence' expects 0 to 1"),
        (nested(16), "nested 16 deep"),
    ],
)
def test_a_filter_that_does_not_fit_is_refused(filter_: pb.Filter, message: str) -> None:
    with pytest.raises(InvalidFilterError, match=message):
        check_filter(filter_, RECORD.spec)


def test_a_deep_filter_is_accepted_up_to_the_limit() -> None:
    check_filter(nested(15), RECORD.spec)


HOUR = timedelta(hours=1)
BOUNDS = TimeBounds(first=microseconds(EPOCH), last=microseconds(EPOCH + HOUR))
INSIDE = {"time": {"from": EPOCH - HOUR, "to": EPOCH + 2 * HOUR}}
BEFORE = {"time": {"to": EPOCH - HOUR}}
AFTER = {"time": {"from": EPOCH + 2 * HOUR}}
PART = {"time": {"from": EPOCH + HOUR / 2}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (INSIDE, Coverage.ALL),
        (BEFORE, Coverage.NONE),
        (AFTER, Coverage.NONE),
        (PART, Coverage.SOME),
        ({"time": {"from": EPOCH + HOUR}}, Coverage.SOME),
        ({"time": {"to": EPOCH}}, Coverage.SOME),
        ({"not": INSIDE}, Coverage.NONE),
        ({"not": BEFORE}, Coverage.ALL),
        ({"not": PART}, Coverage.SOME),
        ({"has_image": True}, Coverage.SOME),
        ({"all": [{"has_image": True}, AFTER]}, Coverage.NONE),
        ({"all": [INSIDE, {"has_image": True}]}, Coverage.SOME),
        ({"any": [BEFORE, AFTER]}, Coverage.NONE),
        ({"any": [BEFORE, PART]}, Coverage.SOME),
        ({"any": [{"has_image": True}, INSIDE]}, Coverage.ALL),
    ],
)
def test_time_ranges_rule_segments_out(document: Any, expected: Coverage) -> None:
    assert coverage(filter_to_proto(parse_filter(document), RECORD), BOUNDS) is expected
