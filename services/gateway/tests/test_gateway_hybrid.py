"""The hybrid route's dates and filters."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from sightwire_gateway.visual_results import HybridRequest, hybrid_filter

from sightwire.contracts.filters import parse_filter


def request(**members: Any) -> HybridRequest:
    return HybridRequest.model_validate_json(orjson.dumps({"text_query": "cat", **members}))


def time_filter(**members: Any) -> tuple[datetime | None, datetime | None]:
    document = hybrid_filter(request(**members))
    [condition] = parse_filter(document).all or []
    assert condition.time is not None
    return condition.time.from_, condition.time.to


def test_nothing_is_filtered_by_default():
    assert hybrid_filter(request()) is None
    assert hybrid_filter(request(yolo_classes=[], tags=[])) is None


def test_every_filter_is_a_condition():
    document = hybrid_filter(
        request(
            yolo_classes=["cat", "dog"], min_confidence=0.7, tags=["a"], date_from="2026-01-01", date_to="2026-02-01"
        )
    )
    assert document is not None
    assert document["all"][:2] == [
        {"classes": {"names": ["cat", "dog"], "min_confidence": 0.7}},
        {"tags_any": ["a"]},
    ]
    assert len(document["all"]) == 3


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"date_from": "2026-01-31"}, (datetime(2026, 1, 31, tzinfo=UTC), None)),
        ({"date_to": "2026-01-31"}, (None, datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC))),
        ({"date_from": "2026-01-31T10:00:00Z"}, (datetime(2026, 1, 31, 10, tzinfo=UTC), None)),
        ({"date_from": "2026-01-31T10:00:00"}, (datetime(2026, 1, 31, 10, tzinfo=UTC), None)),
        ({"date_to": "2026-01-31T10:00:00+02:00"}, (None, datetime(2026, 1, 31, 8, tzinfo=UTC))),
    ],
)
def test_days_are_included_as_a_whole(members: dict[str, str], expected: tuple[datetime | None, datetime | None]):
    assert time_filter(**members) == expected


@pytest.mark.parametrize(
    "members",
    [
        {"date_from": "yesterday"},
        {"date_from": "2026-13-01"},
        {"date_to": "31.01.2026"},
        {"date_from": 5},
        {"date_from": "2026-02-01", "date_to": "2026-01-01"},
        {"min_confidence": 1.5},
        {"min_confidence": -0.1},
        {"k": 0},
        {"k": 101},
        {"text_query": None},
        {"yolo_class": ["cat"]},
    ],
)
def test_what_is_wrong_is_refused(members: dict[str, Any]):
    with pytest.raises(ValidationError):
        request(**members)
