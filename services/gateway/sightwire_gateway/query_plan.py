"""Decides which fields a query searches, and what has to be embedded for it; pure functions."""

from dataclasses import dataclass
from enum import StrEnum

from sightwire.contracts.collections import CollectionRecord, Metric, VectorSource
from sightwire.contracts.events import vector_bytes
from sightwire.contracts.filters import filter_to_proto, parse_filter
from sightwire.errors import InvalidInputError, InvalidVectorError
from sightwire.v1 import searcher_pb2
from sightwire_gateway.search_requests import Fusion, Query, SearchRequest, Target, VectorQuery

#: Sources whose vectors the bundle makes in one space, one per item.
_ONE_SPACE = frozenset({VectorSource.IMAGE, VectorSource.TEXT})


class Embedding(StrEnum):
    """What the embedder must make for a query."""

    NOTHING = "nothing"
    TEXT = "text"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """How a query is answered."""

    fields: tuple[str, ...]
    embedding: Embedding
    #: Vector of the caller's own, float32 little-endian.
    vector: bytes | None = None
    #: Stored item whose vectors are the query.
    item_id: str | None = None


def plan_query(record: CollectionRecord, request: SearchRequest, *, has_upload: bool, max_characters: int) -> QueryPlan:
    """The plan for a search in a collection.

    Args:
        record: the collection.
        request: what is asked.
        has_upload: whether a picture was uploaded with it, which then is the query.
        max_characters: of a query text.

    Raises:
        InvalidInputError: a query that is blank or too long, or fields that do not fit it.
        InvalidVectorError: a vector that does not fit its field.
    """
    query = request.query
    kinds = query.given() + ["image"] * has_upload
    if len(kinds) != 1:
        raise InvalidInputError(
            "a query is exactly one of 'text', 'image' (perhaps uploaded), 'vector' and 'item', "
            f"got {' and '.join(kinds) or 'none of them'}"
        )
    if query.vector is not None:
        return _plan_vector(record, request, query.vector)
    fields = (
        _checked_fields(record, request.fields) if request.fields else _default_fields(record, query, request.target)
    )
    _check_target(record, fields, request.target)
    if query.item is not None:
        return QueryPlan(fields, Embedding.NOTHING, item_id=query.item)
    _check_embedded(record, fields)
    if query.text is None:
        return QueryPlan(fields, Embedding.IMAGE)
    check_query_text(query.text, max_characters=max_characters)
    return QueryPlan(fields, Embedding.TEXT)


def check_query_text(text: str, *, max_characters: int) -> None:
    """Refuses texts that mean nothing or are too long.

    Raises:
        InvalidInputError: blank, or longer than `max_characters`.
    """
    if not text.strip():
        raise InvalidInputError("the query text is blank; say what to search for")
    if len(text) > max_characters:
        raise InvalidInputError(f"a query text may have {max_characters} characters, got {len(text)}")


def plan_filter(record: CollectionRecord, document: object | None) -> searcher_pb2.Filter | None:
    """The filter for the searcher, checked against the collection.

    Raises:
        InvalidFilterError: not a filter, or not one for this collection.
    """
    return filter_to_proto(parse_filter(document), record) if document is not None else None


def chosen_fusion(
    record: CollectionRecord, request: SearchRequest, fields: tuple[str, ...]
) -> searcher_pb2.Fusion.ValueType:
    """How the fields' rankings become one: as asked, or by mean score where the fields' scores mean the same."""
    if request.fusion is not None:
        by_mean = request.fusion is Fusion.MEAN
    else:
        specs = [record.spec.fields[field] for field in fields]
        by_mean = all(spec.source in _ONE_SPACE and spec.metric is Metric.COSINE for spec in specs)
    return searcher_pb2.FUSION_MEAN_SCORE if by_mean else searcher_pb2.FUSION_RECIPROCAL_RANK


def _default_fields(record: CollectionRecord, query: Query, target: Target) -> tuple[str, ...]:
    spec = record.spec
    if target is Target.OBJECTS:
        candidates = [spec.field_names(VectorSource.OBJECT)]
    elif query.text is not None:
        candidates = [spec.field_names(VectorSource.IMAGE, VectorSource.TEXT)]
    elif query.item is not None:
        # Items are alike by how they look, else by what they say, else by what the user computed.
        candidates = [spec.field_names(source) for source in (VectorSource.IMAGE, VectorSource.TEXT, VectorSource.USER)]
    else:
        candidates = [spec.field_names(VectorSource.IMAGE)]
    chosen = next((fields for fields in candidates if fields), None)
    if chosen is None:
        what = (
            "a search of objects" if target is Target.OBJECTS else f"a query by {', '.join(query.given()) or 'image'}"
        )
        raise InvalidInputError(
            f"collection {record.name!r} has no field for {what} (it has: {_described_fields(record)})"
        )
    return tuple(chosen)


def _checked_fields(record: CollectionRecord, fields: list[str]) -> tuple[str, ...]:
    for field in fields:
        if field not in record.spec.fields:
            raise InvalidInputError(
                f"collection {record.name!r} has no vector field {field!r} (it has: {_described_fields(record)})"
            )
    return tuple(dict.fromkeys(fields))


def _check_target(record: CollectionRecord, fields: tuple[str, ...], target: Target) -> None:
    for field in fields:
        is_of_objects = record.spec.fields[field].source is VectorSource.OBJECT
        if is_of_objects is not (target is Target.OBJECTS):
            kind = "objects" if is_of_objects else "items"
            raise InvalidInputError(f"field {field!r} is of {kind}, which the target {target.value!r} does not search")


def _check_embedded(record: CollectionRecord, fields: tuple[str, ...]) -> None:
    for field in fields:
        if record.spec.fields[field].source is VectorSource.USER:
            raise InvalidInputError(
                f"field {field!r} holds vectors of your own: search it by 'vector' or 'item', not by text or image"
            )


def _plan_vector(record: CollectionRecord, request: SearchRequest, query: VectorQuery) -> QueryPlan:
    if request.fields is not None and request.fields != [query.field]:
        raise InvalidInputError(f"the query's vector searches its own field {query.field!r}; leave 'fields' out")
    fields = _checked_fields(record, [query.field])
    is_of_objects = record.spec.fields[query.field].source is VectorSource.OBJECT
    if request.target is Target.OBJECTS or not is_of_objects:
        _check_target(record, fields, request.target)
    try:
        vector = vector_bytes(query.field, query.values, record.dimension(query.field))
    except (TypeError, OverflowError) as error:
        raise InvalidVectorError(f"the vector of {query.field!r} does not fit float32: {error}") from None
    return QueryPlan(fields, Embedding.NOTHING, vector=vector)


def _described_fields(record: CollectionRecord) -> str:
    return ", ".join(f"{name} ({field.source.value})" for name, field in record.spec.fields.items())
