"""Searches that are asked of two indexes of the same items, each in its own space; pure."""

from collections.abc import Sequence
from typing import Final

from sightwire.contracts.collections import CollectionRecord, Metric, VectorSource
from sightwire.errors import InvalidInputError
from sightwire.v1 import searcher_pb2

#: Fields that a text can be compared with, one vector an item.
_BY_TEXT: Final = (VectorSource.IMAGE, VectorSource.TEXT)


def text_search(index: CollectionRecord, vector: bytes, *, k: int) -> searcher_pb2.SearchRequest:
    """A search by a text, as the gateway makes it where nothing else is said.

    Args:
        index: that is searched.
        vector: the text's, of the index's space; float32, little-endian.
        k: results wanted.

    Raises:
        InvalidInputError: the collection has nothing that a text could be compared with.
    """
    fields = index.spec.field_names(*_BY_TEXT)
    if not fields:
        raise InvalidInputError(f"collection {index.users_name!r} has no field of images or texts to search by text")
    queries = [searcher_pb2.FieldQuery(field=field, vector=vector, space=index.space) for field in fields]
    return _request(index, queries, k=k)


def similarity_search(index: CollectionRecord, item_id: str, *, k: int) -> searcher_pb2.SearchRequest:
    """A search for what is like an item, by how it looks, else by what it says.

    Raises:
        InvalidInputError: the collection has no such field.
    """
    candidates = [index.spec.field_names(source) for source in _BY_TEXT]
    fields = next((names for names in candidates if names), None)
    if fields is None:
        raise InvalidInputError(f"collection {index.users_name!r} has no field of images or texts to compare items by")
    return _request(index, [searcher_pb2.FieldQuery(field=field, item_id=item_id) for field in fields], k=k)


def _request(
    index: CollectionRecord, queries: Sequence[searcher_pb2.FieldQuery], *, k: int
) -> searcher_pb2.SearchRequest:
    metrics = {index.spec.fields[query.field].metric for query in queries}
    fusion = searcher_pb2.FUSION_MEAN_SCORE if metrics == {Metric.COSINE} else searcher_pb2.FUSION_RECIPROCAL_RANK
    return searcher_pb2.SearchRequest(collection=index.name, queries=queries, k=k, fusion=fusion, omit_documents=True)
