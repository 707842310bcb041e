"""Filters on tags, time, metadata, detected classes and ids: one tree, in JSON at the door and in protobuf inside.

In JSON a filter is an object with exactly one member, for example::

    {"all": [
        {"tags_any": ["cat", "dog"]},
        {"time": {"from": "2026-01-01T00:00:00Z"}},
        {"metadata": {"field": "price", "op": "lte", "value": 20}},
        {"classes": {"names": ["person"], "min_confidence": 0.6}},
        {"not": {"metadata_in": {"field": "shop", "values": ["a", "b"]}}}
    ]}

A condition on a value that an item does not have is false, and `not` of it is true.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from sightwire.contracts.collections import CollectionRecord, MetadataType, metadata_value
from sightwire.contracts.names import FieldName
from sightwire.errors import InvalidFilterError, InvalidInputError
from sightwire.v1 import searcher_pb2

MAX_FILTER_DEPTH = 16
MAX_FILTER_VALUES = 10_000


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Operator(StrEnum):
    """Comparison of a metadata value with a constant."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"


class TimeRange(_Part):
    """Inclusive; an absent end is open."""

    from_: AwareDatetime | None = Field(default=None, alias="from")
    to: AwareDatetime | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.from_ is None and self.to is None:
            raise ValueError("a time range needs 'from', 'to' or both")
        if self.from_ is not None and self.to is not None and self.from_ > self.to:
            raise ValueError(f"'from' ({self.from_.isoformat()}) is after 'to' ({self.to.isoformat()})")
        return self


class Comparison(_Part):
    """A metadata field compared with a value of the field's type."""

    field: FieldName
    op: Operator = Operator.EQ
    value: Any


class Membership(_Part):
    """A metadata field whose value is one of a list."""

    field: FieldName
    values: list[Any] = Field(min_length=1, max_length=MAX_FILTER_VALUES)


class DetectedClasses(_Part):
    """Detected class names; any of them, or all, each with at least `min_confidence`."""

    names: list[str] = Field(min_length=1, max_length=1000)
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    require_all: bool = False


class Filter(_Part):
    """One condition, or `all`, `any` and `not` of conditions."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    all: list["Filter"] | None = Field(default=None, min_length=1, max_length=100)
    any: list["Filter"] | None = Field(default=None, min_length=1, max_length=100)
    not_: "Filter | None" = Field(default=None, alias="not")
    tags_any: list[str] | None = Field(default=None, min_length=1, max_length=MAX_FILTER_VALUES)
    tags_all: list[str] | None = Field(default=None, min_length=1, max_length=MAX_FILTER_VALUES)
    time: TimeRange | None = None
    metadata: Comparison | None = None
    metadata_in: Membership | None = None
    metadata_exists: FieldName | None = None
    classes: DetectedClasses | None = None
    ids: list[str] | None = Field(default=None, min_length=1, max_length=MAX_FILTER_VALUES)
    has_image: bool | None = None

    @model_validator(mode="after")
    def _exactly_one_member(self) -> Self:
        given = [
            name.removesuffix("_")
            for name in Filter.model_fields
            if name in self.model_fields_set and getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise ValueError(
                f"a filter has exactly one member, got {', '.join(given) or 'none'}; put several conditions under 'all'"
            )
        return self


def parse_filter(document: object) -> Filter:
    """A filter from decoded JSON.

    Raises:
        InvalidFilterError: not a filter; the message names the path.
    """
    try:
        return Filter.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"]) or "filter"
        raise InvalidFilterError(f"at {path}: {first['msg']}") from None
    except RecursionError:
        raise InvalidFilterError(f"a filter may be nested {MAX_FILTER_DEPTH} deep at most") from None


def filter_to_proto(filter_: Filter, record: CollectionRecord, *, depth: int = 0) -> searcher_pb2.Filter:
    """The same filter for the searcher, checked against the collection: field names, value types, class names.

    Raises:
        InvalidFilterError: the filter does not fit the collection.
    """
    if depth >= MAX_FILTER_DEPTH:
        raise InvalidFilterError(f"a filter may be nested {MAX_FILTER_DEPTH} deep at most")
    message = searcher_pb2.Filter()
    if filter_.all is not None:
        message.all.filters.extend(filter_to_proto(part, record, depth=depth + 1) for part in filter_.all)
    elif filter_.any is not None:
        message.any.filters.extend(filter_to_proto(part, record, depth=depth + 1) for part in filter_.any)
    elif filter_.not_ is not None:
        getattr(message, "not").CopyFrom(filter_to_proto(filter_.not_, record, depth=depth + 1))
    elif filter_.tags_any is not None:
        message.tags_any.values.extend(filter_.tags_any)
    elif filter_.tags_all is not None:
        message.tags_all.values.extend(filter_.tags_all)
    elif filter_.time is not None:
        message.time.SetInParent()
        if filter_.time.from_ is not None:
            getattr(message.time, "from").FromDatetime(filter_.time.from_)
        if filter_.time.to is not None:
            message.time.to.FromDatetime(filter_.time.to)
    elif filter_.metadata is not None:
        message.metadata.CopyFrom(_comparison(filter_.metadata, record))
    elif filter_.metadata_in is not None:
        kind = _metadata_type(filter_.metadata_in.field, record)
        message.metadata_in.field = filter_.metadata_in.field
        message.metadata_in.values.extend(
            _value(filter_.metadata_in.field, _element_type(kind), value) for value in filter_.metadata_in.values
        )
    elif filter_.metadata_exists is not None:
        _metadata_type(filter_.metadata_exists, record)
        message.metadata_exists = filter_.metadata_exists
    elif filter_.classes is not None:
        message.classes.class_ids.extend(class_ids(filter_.classes.names, record))
        message.classes.min_confidence = filter_.classes.min_confidence
        message.classes.require_all = filter_.classes.require_all
    elif filter_.ids is not None:
        message.ids.values.extend(filter_.ids)
    elif filter_.has_image is not None:
        message.has_image = filter_.has_image
    return message


def class_ids(names: list[str], record: CollectionRecord) -> list[int]:
    """Class ids of detector class names.

    Raises:
        InvalidFilterError: a name that the collection's detector does not know.
    """
    known = {name: index for index, name in enumerate(record.class_names)}
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise InvalidFilterError(
            f"unknown class name(s) {', '.join(map(repr, unknown))}; "
            + (f"this collection's detector knows: {', '.join(known)}" if known else "this collection has no detector")
        )
    return [known[name] for name in names]


def _metadata_type(field: str, record: CollectionRecord) -> MetadataType:
    declared = record.spec.metadata.get(field)
    if declared is None:
        known = ", ".join(sorted(record.spec.metadata)) or "none"
        raise InvalidFilterError(
            f"metadata field {field!r} is not in the schema of collection {record.name!r}, so it cannot be filtered on "
            f"(declared: {known})"
        )
    return declared.type


def _element_type(kind: MetadataType) -> MetadataType:
    # A list matches when one of its elements does.
    return MetadataType.STRING if kind is MetadataType.STRING_LIST else kind


_ORDERED = frozenset({MetadataType.INTEGER, MetadataType.FLOAT, MetadataType.DATETIME, MetadataType.STRING})


def _comparison(comparison: Comparison, record: CollectionRecord) -> searcher_pb2.Comparison:
    kind = _metadata_type(comparison.field, record)
    if comparison.op not in (Operator.EQ, Operator.NE) and kind not in _ORDERED:
        raise InvalidFilterError(
            f"metadata field {comparison.field!r} is {kind.value} and has no order: "
            f"use 'eq' or 'ne', not {comparison.op.value!r}"
        )
    return searcher_pb2.Comparison(
        field=comparison.field,
        operator=searcher_pb2.Operator.Value(f"OPERATOR_{comparison.op.name}"),
        value=_value(comparison.field, _element_type(kind), comparison.value),
    )


def _value(field: str, kind: MetadataType, value: object) -> searcher_pb2.Value:
    try:
        typed = metadata_value(field, kind, value)
    except InvalidInputError as error:
        raise InvalidFilterError(error.detail) from None
    message = searcher_pb2.Value()
    match typed:
        case bool():
            message.boolean_value = typed
        case int():
            message.integer_value = typed
        case float():
            message.float_value = typed
        case datetime():
            message.datetime_value.FromDatetime(typed)
        case _:
            message.string_value = str(typed)
    return message
