"""Filters: parsing, checking against a collection, and translation for the searcher."""

from datetime import UTC, datetime

import pytest

from sightwire.contracts.collections import CollectionRecord, CollectionSpec
from sightwire.contracts.filters import MAX_FILTER_DEPTH, filter_to_proto, parse_filter
from sightwire.errors import InvalidFilterError
from sightwire.v1 import searcher_pb2

RECORD = CollectionRecord(
    spec=CollectionSpec.model_validate(
        {
            "name": "shop",
            "metadata": {
                "price": {"type": "float"},
                "stock": {"type": "integer"},
                "brand": {"type": "string"},
                "sold": {"type": "boolean"},
                "listed": {"type": "datetime"},
                "colours": {"type": "string_list"},
            },
        }
    ),
    uid="u1",
    created_at=datetime.now(UTC),
    class_names=("person", "bicycle", "cat"),
)


def proto(document: object) -> searcher_pb2.Filter:
    return filter_to_proto(parse_filter(document), RECORD)


def test_every_condition_has_a_protobuf_form() -> None:
    message = proto(
        {
            "all": [
                {"tags_any": ["a", "b"]},
                {"any": [{"tags_all": ["c"]}, {"ids": ["x"]}]},
                {"not": {"has_image": False}},
                {"time": {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00+01:00"}},
                {"metadata": {"field": "price", "op": "lte", "value": 20}},
                {"metadata_in": {"field": "colours", "values": ["red", "blue"]}},
                {"metadata_exists": "brand"},
                {"classes": {"names": ["cat", "person"], "min_confidence": 0.5, "require_all": True}},
            ]
        }
    )
    parts = message.all.filters
    assert [part.WhichOneof("condition") for part in parts] == [
        "tags_any",
        "any",
        "not",
        "time",
        "metadata",
        "metadata_in",
        "metadata_exists",
        "classes",
    ]
    assert list(parts[0].tags_any.values) == ["a", "b"]
    assert getattr(parts[2], "not").has_image is False
    assert parts[3].time.to.ToDatetime(UTC) == datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert parts[4].metadata.value.float_value == 20.0
    assert parts[4].metadata.operator == searcher_pb2.OPERATOR_LTE
    assert [value.string_value for value in parts[5].metadata_in.values] == ["red", "blue"]
    assert list(parts[7].classes.class_ids) == [2, 0]


@pytest.mark.parametrize(
    ("value", "kind", "member"),
    [
        ("stock", 3, "integer_value"),
        ("brand", "x", "string_value"),
        ("sold", True, "boolean_value"),
        ("listed", "2026-01-01T00:00:00Z", "datetime_value"),
        ("price", 1.5, "float_value"),
    ],
)
def test_values_take_the_type_of_their_field(value: str, kind: object, member: str) -> None:
    message = proto({"metadata": {"field": value, "op": "eq", "value": kind}})
    assert message.metadata.value.WhichOneof("kind") == member


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({}, "exactly one member, got none"),
        ({"ids": ["a"], "tags_any": ["b"]}, "got tags_any, ids"),
        ({"tag": ["a"]}, "tag"),
        ({"all": []}, "all"),
        ({"time": {}}, "needs 'from', 'to' or both"),
        ({"time": {"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}}, "is after"),
        ({"time": {"from": "yesterday"}}, "time.from"),
        ({"time": {"from": "2026-02-01T00:00:00"}}, "timezone"),
        ({"metadata": {"field": "weight", "value": 1}}, "not in the schema"),
        ({"metadata": {"field": "price", "value": "cheap"}}, "expects float"),
        ({"metadata": {"field": "stock", "value": 1.5}}, "expects integer"),
        ({"metadata": {"field": "sold", "op": "lt", "value": True}}, "has no order"),
        ({"classes": {"names": ["unicorn"]}}, "unknown class name"),
        ({"classes": {"names": ["cat"], "min_confidence": 2}}, "min_confidence"),
        ("tags", "filter"),
    ],
)
def test_a_bad_filter_is_refused_with_what_is_wrong(document: object, complaint: str) -> None:
    with pytest.raises(InvalidFilterError, match=complaint):
        proto(document)


def test_nesting_is_bounded() -> None:
    document: dict[str, object] = {"has_image": True}
    for _ in range(MAX_FILTER_DEPTH):
        document = {"not": document}
    with pytest.raises(InvalidFilterError, match="deep at most"):
        proto(document)
