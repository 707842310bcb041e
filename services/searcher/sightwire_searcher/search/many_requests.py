"""Turns a request to search with many vectors into what to search for, or says what is wrong with it."""

from typing import Final

import numpy as np

from sightwire.contracts.collections import VectorSource
from sightwire.errors import InvalidInputError, InvalidVectorError
from sightwire.segments.vectors import Matrix, query_vectors
from sightwire.v1 import searcher_pb2
from sightwire_searcher.search.field_rankings import FieldSearch
from sightwire_searcher.search.requests import check_amounts, check_space, checked_field, checked_filter
from sightwire_searcher.snapshot import Snapshot

MAX_VECTORS: Final = 1024
#: Of all vectors together.
MAX_RESULTS: Final = 100_000
_FLOAT_BYTES: Final = 4


def checked_many(request: searcher_pb2.SearchManyRequest, snapshot: Snapshot) -> tuple[FieldSearch, Matrix]:
    """What to search, and float32 [n, dimension] to search with.

    Raises:
        InvalidInputError: something about the request can never be answered.
        ConflictError: the vectors are of another space than the snapshot's generation.
    """
    record = snapshot.record
    check_amounts(request.k, request.ef_search)
    field = checked_field(request.field, record)
    check_space(request.field, request.space, snapshot)
    dimension = record.dimension(request.field)
    count, rest = divmod(len(request.vectors), _FLOAT_BYTES * dimension)
    if rest or not 1 <= count <= MAX_VECTORS:
        raise InvalidVectorError(
            f"'vectors' expects 1 to {MAX_VECTORS} vectors of {dimension} float32 numbers "
            f"({_FLOAT_BYTES * dimension} bytes each), got {len(request.vectors)} bytes"
        )
    if count * request.k > MAX_RESULTS:
        raise InvalidInputError(
            f"{count} vectors with 'k' {request.k} are more than {MAX_RESULTS} results; send fewer vectors at once"
        )
    vectors = np.frombuffer(request.vectors, dtype="<f4").reshape(count, dimension)
    search = FieldSearch(
        field=request.field,
        per_object=field.source is VectorSource.OBJECT,
        filter=checked_filter(request.filter, record) if request.HasField("filter") else None,
        depth=request.k,
        ef_search=request.ef_search or snapshot.index_parameters(request.field).ef_search,
    )
    return search, query_vectors(vectors, dimension, field.metric)
