"""Decides which fields a query searches, and what has to be embedded for it; pure functions."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice

from sightwire.contracts.collections import CollectionRecord, Metric, VectorSource
from sightwire.contracts.events import vector_bytes
from sightwire.contracts.filters import filter_to_proto, parse_filter
from sightwire.errors import InvalidInputError, InvalidVectorError
from sightwire.v1 import searcher_pb2
from sightwire_gateway.query_checks import check_combination, check_query_text, check_weights
from sightwire_gateway.search_requests import FullTextQuery, Fusion, Query, SearchRequest, Target, VectorQuery

#: Sources whose vectors the bundle makes in one space, one per item.
_ONE_SPACE = frozenset({VectorSource.IMAGE, VectorSource.TEXT})
#: What full-text search counts as a word, and how many it takes.
_WORD = re.compile(r"[^\W_]{1,60}")
_MAX_PLAIN_WORDS = 64
#: A sentence has words that say little; that they occur must not outweigh how near an item is as a whole.
_WEIGHT_OF_HYBRID_WORDS = 0.5
_FUSIONS = {
    Fusion.MEAN: searcher_pb2.FUSION_MEAN_SCORE,
    Fusion.RRF: searcher_pb2.FUSION_RECIPROCAL_RANK,
    Fusion.WEIGHTED: searcher_pb2.FUSION_WEIGHTED_NORMALIZED,
}


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
    #: Words to search for, alone or beside the fields.
    words: searcher_pb2.TextQuery | None = None


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
    kinds = request.query.given() + ["image"] * has_upload
    check_combination(request, kinds)
    words = plan_words(request, max_characters=max_characters)
    if not kinds:
        return QueryPlan((), Embedding.NOTHING, words=words)
    plan = _plan_vectors(record, request, max_characters=max_characters)
    check_weights(request, plan.fields)
    return replace(plan, words=words)


def _plan_vectors(record: CollectionRecord, request: SearchRequest, *, max_characters: int) -> QueryPlan:
    query = request.query
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


def plan_words(request: SearchRequest, *, max_characters: int) -> searcher_pb2.TextQuery | None:
    """The full-text query, None without one; that of a hybrid search are the words of the query's text, if it has any.

    Raises:
        InvalidInputError: blank or too long.
    """
    full_text = request.full_text
    if full_text is None and not request.hybrid:
        return None
    full_text = full_text or FullTextQuery()
    if request.hybrid:
        text = _plain_words(request.query.text or "")
        if not text:
            return None
    else:
        text = full_text.query or ""
        check_query_text(text, max_characters=max_characters)
    return searcher_pb2.TextQuery(
        text=text,
        parts=full_text.parts or [],
        require_all=full_text.require_all,
        weight=full_text.weight or (_WEIGHT_OF_HYBRID_WORDS if request.hybrid else 0.0),
        highlight=full_text.highlight,
    )


def _plain_words(text: str) -> str:
    """The first words of a text that was not written for full-text search: what is syntax there means nothing here."""
    words = islice((match[0] for match in _WORD.finditer(text)), _MAX_PLAIN_WORDS)
    return " ".join(words)


def plan_filter(record: CollectionRecord, document: object | None) -> searcher_pb2.Filter | None:
    """The filter for the searcher, checked against the collection.

    Raises:
        InvalidFilterError: not a filter, or not one for this collection.
    """
    return filter_to_proto(parse_filter(document), record) if document is not None else None


def chosen_fusion(record: CollectionRecord, request: SearchRequest, plan: QueryPlan) -> searcher_pb2.Fusion.ValueType:
    """How rankings become one: as asked, or by mean score where the fields' scores mean the same.

    Scores of words mean something else than those of vectors: scaled, they are added to the mean, or to each field's.
    """
    if request.fusion is not None:
        return _FUSIONS[request.fusion]
    specs = [record.spec.fields[field] for field in plan.fields]
    by_mean = all(spec.source in _ONE_SPACE and spec.metric is Metric.COSINE for spec in specs)
    if by_mean:
        return searcher_pb2.FUSION_MEAN_SCORE
    return searcher_pb2.FUSION_WEIGHTED_NORMALIZED if plan.words is not None else searcher_pb2.FUSION_RECIPROCAL_RANK


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
