"""Turns a search request into a checked query, or says what is wrong with it."""

import math
from typing import Final

import numpy as np

from sightwire.contracts.collections import CollectionRecord, Metric, VectorField, VectorSource
from sightwire.errors import ConflictError, InvalidInputError, InvalidVectorError
from sightwire.segments.vectors import Matrix, query_vectors
from sightwire.v1 import searcher_pb2
from sightwire_searcher.filters.checking import check_filter
from sightwire_searcher.search.facets import MAX_FACETS, checked_facet
from sightwire_searcher.search.grouping import checked_group
from sightwire_searcher.search.query import CheckedFilter, FieldTarget, Query
from sightwire_searcher.search.sorting import MAX_KEYS, checked_sort_key
from sightwire_searcher.search.text_query import checked_text
from sightwire_searcher.search.weights import checked_weight
from sightwire_searcher.snapshot import Snapshot

MAX_K: Final = 1000
#: How far paging reaches: `offset` + `k`.
MAX_WINDOW: Final = 10_000
MAX_FIELD_QUERIES: Final = 16
MAX_EF_SEARCH: Final = 10_000
_FLOAT_BYTES: Final = 4
# Vectors of the platform's own models come normalised; those need not be copied.
_UNIT_TOLERANCE: Final = 1e-6


def checked_query(request: searcher_pb2.SearchRequest, snapshot: Snapshot) -> Query:
    """The query of `request`, to be answered from `snapshot`.

    Raises:
        InvalidInputError: something about it can never be answered.
        ConflictError: a vector is of another space than the snapshot's generation.
    """
    record = snapshot.record
    check_amounts(request.k, request.ef_search)
    if request.offset + request.k > MAX_WINDOW:
        raise InvalidInputError(
            f"paging reaches {MAX_WINDOW} results far, got offset {request.offset} + k {request.k}; use a filter"
        )
    _check_combination(request)
    by_mean_score = request.fusion == searcher_pb2.FUSION_MEAN_SCORE
    if by_mean_score:
        _check_comparable(request, record)
    return Query(
        targets=tuple(_checked_target(query, snapshot, request.ef_search) for query in request.queries),
        k=request.k,
        offset=request.offset,
        filter=checked_filter(request.filter, record) if request.HasField("filter") else None,
        explain=request.explain,
        with_documents=not request.omit_documents,
        by_mean_score=by_mean_score,
        sort=tuple(checked_sort_key(key, record) for key in request.sort),
        group=checked_group(request.group_by, record, k=request.k) if request.HasField("group_by") else None,
        facets=tuple(checked_facet(facet, record) for facet in request.facets),
        text=checked_text(request.text, record.spec.language) if request.HasField("text") else None,
        by_normalized_score=request.fusion == searcher_pb2.FUSION_WEIGHTED_NORMALIZED,
    )


def check_amounts(k: int, ef_search: int) -> None:
    """Refuses to find or to look at too much."""
    if not 1 <= k <= MAX_K:
        raise InvalidInputError(f"'k' expects 1 to {MAX_K}, got {k}")
    if ef_search > MAX_EF_SEARCH:
        raise InvalidInputError(f"'ef_search' expects up to {MAX_EF_SEARCH}, got {ef_search}")


def checked_field(name: str, record: CollectionRecord) -> VectorField:
    """The vector field of a collection.

    Raises:
        InvalidInputError: the collection does not have it.
    """
    field = record.spec.fields.get(name)
    if field is None:
        known = ", ".join(record.spec.fields)
        raise InvalidInputError(f"collection {record.name!r} has no vector field {name!r} (it has: {known})")
    return field


def check_space(field: str, space: str, snapshot: Snapshot) -> None:
    """Refuses vectors that say they are of another space than the snapshot's."""
    if space and space != snapshot.space:
        raise ConflictError(
            f"the vector for field {field!r} is of space {space!r}, but generation {snapshot.generation} "
            f"of collection {snapshot.record.name!r} is of space {snapshot.space!r}; embed the query with that model"
        )


def _check_combination(request: searcher_pb2.SearchRequest) -> None:
    """Refuses requests whose parts do not go together."""
    if len(request.queries) > MAX_FIELD_QUERIES:
        raise InvalidInputError(f"a search has up to {MAX_FIELD_QUERIES} field queries, got {len(request.queries)}")
    if not (request.queries or request.HasField("text") or request.sort or request.facets):
        raise InvalidInputError("a search needs field queries, 'text', 'sort' or 'facets', got none of them")
    if request.queries and request.sort:
        raise InvalidInputError(
            "the results of field queries are ranked by nearness: leave 'sort' out, or search by words and filters"
        )
    if len(request.sort) > MAX_KEYS:
        raise InvalidInputError(f"results are sorted by up to {MAX_KEYS} fields, got {len(request.sort)}")
    if len(request.facets) > MAX_FACETS:
        raise InvalidInputError(f"a search counts up to {MAX_FACETS} facets, got {len(request.facets)}")


def _check_comparable(request: searcher_pb2.SearchRequest, record: CollectionRecord) -> None:
    """Refuses to average scores that do not mean the same."""
    for query in request.queries:
        field = record.spec.fields.get(query.field)
        if field is not None and (field.source is VectorSource.OBJECT or field.metric is not Metric.COSINE):
            raise InvalidInputError(
                f"mean scores need item fields with the metric cosine, but field {query.field!r} is of source "
                f"{field.source.value!r} with metric {field.metric.value!r}; fuse by reciprocal rank"
            )


def checked_filter(message: searcher_pb2.Filter, record: CollectionRecord) -> CheckedFilter:
    """A filter that fits the collection.

    Raises:
        InvalidFilterError: it does not.
    """
    check_filter(message, record.spec)
    return CheckedFilter(message, message.SerializeToString(deterministic=True))


def _checked_target(query: searcher_pb2.FieldQuery, snapshot: Snapshot, ef_search: int) -> FieldTarget:
    field = checked_field(query.field, snapshot.record)
    vector: Matrix | None = None
    match query.WhichOneof("query"):
        case "vector":
            vector = _checked_vector(query, field, snapshot)
        case None:
            raise InvalidInputError(f"the query of field {query.field!r} needs a 'vector' or an 'item_id'")
    return FieldTarget(
        field=query.field,
        per_object=field.source is VectorSource.OBJECT,
        weight=checked_weight(query.weight, f"field {query.field!r}"),
        ef_search=ef_search or snapshot.index_parameters(query.field).ef_search,
        vector=vector,
        item_id=query.item_id,
    )


def _checked_vector(query: searcher_pb2.FieldQuery, field: VectorField, snapshot: Snapshot) -> Matrix:
    check_space(query.field, query.space, snapshot)
    dimension = snapshot.record.dimension(query.field)
    if len(query.vector) != _FLOAT_BYTES * dimension:
        raise InvalidVectorError(
            f"field {query.field!r} expects a vector of {dimension} float32 numbers "
            f"({_FLOAT_BYTES * dimension} bytes), got {len(query.vector)} bytes"
        )
    vector = np.frombuffer(query.vector, dtype="<f4")
    # A single vector is checked by one product; `query_vectors` does the same for many, and knows what to say.
    norm = math.sqrt(np.vdot(vector, vector))
    if not math.isfinite(norm) or (field.metric is Metric.COSINE and norm == 0):
        try:
            return query_vectors(vector.reshape(1, dimension), dimension, field.metric)
        except InvalidVectorError as error:
            raise InvalidVectorError(f"field {query.field!r}: {error.detail}") from None
    if field.metric is Metric.COSINE and abs(norm - 1) > _UNIT_TOLERANCE:
        vector = vector / np.float32(norm)
    return vector.reshape(1, dimension)
