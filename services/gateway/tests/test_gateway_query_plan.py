"""Which fields a query searches, and what has to be embedded for it."""

from typing import Any

import pytest
from sightwire_gateway.query_plan import Embedding, QueryPlan, chosen_fusion, plan_filter, plan_query
from sightwire_gateway.search_requests import SearchRequest

from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import InvalidFilterError, InvalidInputError, InvalidVectorError
from sightwire.v1 import searcher_pb2


def plan(record: CollectionRecord, *, has_upload: bool = False, **members: Any) -> QueryPlan:
    return plan_query(record, SearchRequest.model_validate(members), has_upload=has_upload, max_characters=100)


@pytest.mark.parametrize(
    ("members", "fields", "embedding"),
    [
        ({"query": {"text": "cat"}}, ("image", "text"), Embedding.TEXT),
        ({"query": {"text": "cat"}, "fields": ["text"]}, ("text",), Embedding.TEXT),
        ({"query": {"text": "cat"}, "target": "objects"}, ("object",), Embedding.TEXT),
        ({"query": {"image": {"url": "http://x/"}}}, ("image",), Embedding.IMAGE),
        ({"query": {"image": {"url": "http://x/"}}, "target": "objects"}, ("object",), Embedding.IMAGE),
        ({"query": {"item": "a"}}, ("image",), Embedding.NOTHING),
        ({"query": {"item": "a"}, "fields": ["own", "text", "own"]}, ("own", "text"), Embedding.NOTHING),
        ({"query": {"vector": {"field": "own", "values": [1, 2]}}}, ("own",), Embedding.NOTHING),
        ({"query": {"vector": {"field": "image", "values": [1, 2, 3, 4]}}}, ("image",), Embedding.NOTHING),
    ],
)
def test_plans(record: CollectionRecord, members: dict[str, Any], fields: tuple[str, ...], embedding: Embedding):
    made = plan(record, **members)
    assert made.fields == fields
    assert made.embedding is embedding


def test_an_uploaded_picture_is_the_query(record: CollectionRecord):
    assert plan(record, has_upload=True) == QueryPlan(("image",), Embedding.IMAGE)
    assert plan(record, has_upload=True, target="objects").fields == ("object",)
    with pytest.raises(InvalidInputError, match="got text and image"):
        plan(record, has_upload=True, query={"text": "cat"})


def test_vectors_travel_as_float32(record: CollectionRecord):
    by_numbers = plan(record, query={"vector": {"field": "own", "values": [1.0, -2.0]}})
    by_bytes = plan(record, query={"vector": {"field": "own", "values": "AACAPwAAAMA="}})
    assert by_numbers.vector == by_bytes.vector == b"\x00\x00\x80?\x00\x00\x00\xc0"


def test_items_of_the_users_own_vectors_are_found_by_item(user_record: CollectionRecord):
    assert plan(user_record, query={"item": "a"}).fields == ("own",)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "got none of them"),
        ({"query": {"text": "  \t"}}, "blank"),
        ({"query": {"text": "x" * 101}}, "100 characters, got 101"),
        ({"query": {"text": "cat"}, "fields": ["nope"]}, r"no vector field 'nope' \(it has: image \(image\), object"),
        ({"query": {"text": "cat"}, "fields": ["own"]}, "vectors of your own"),
        ({"query": {"text": "cat"}, "fields": ["object"]}, "field 'object' is of objects"),
        ({"query": {"text": "cat"}, "fields": ["image"], "target": "objects"}, "field 'image' is of items"),
        ({"query": {"vector": {"field": "own", "values": [1, 2]}}, "fields": ["image"]}, "leave 'fields' out"),
        ({"query": {"vector": {"field": "nope", "values": [1, 2]}}}, "no vector field 'nope'"),
    ],
)
def test_queries_that_mean_nothing_are_refused(record: CollectionRecord, members: dict[str, Any], message: str):
    with pytest.raises(InvalidInputError, match=message):
        plan(record, **members)


def test_a_collection_without_embedded_fields_is_not_searched_by_text(user_record: CollectionRecord):
    with pytest.raises(InvalidInputError, match=r"no field for a query by text \(it has: own \(user\)\)"):
        plan(user_record, query={"text": "cat"})


@pytest.mark.parametrize(
    "values", [[1.0], [1, 2, 3], [1.0, float("nan")], [float("inf"), 0], [1e300, 0], "AAAA", "not base64!", []]
)
def test_vectors_that_do_not_fit_are_refused(record: CollectionRecord, values: object):
    with pytest.raises(InvalidVectorError):
        plan(record, query={"vector": {"field": "own", "values": values}})


def test_filters_are_checked_against_the_collection(record: CollectionRecord):
    assert plan_filter(record, None) is None
    made = plan_filter(record, {"classes": {"names": ["cat"], "min_confidence": 0.5}})
    assert made is not None
    assert list(made.classes.class_ids) == [1]
    for bad in ({"classes": {"names": ["unicorn"]}}, {}, [], {"tags_any": [], "x": 1}, {"metadata": {"field": "p"}}):
        with pytest.raises(InvalidFilterError):
            plan_filter(record, bad)


@pytest.mark.parametrize(
    ("fields", "asked", "by_mean"),
    [
        (("image", "text"), None, True),
        (("image", "own"), None, False),
        (("object",), None, False),
        (("image", "text"), "rrf", False),
        (("image", "own"), "mean", True),
    ],
)
def test_scores_that_can_be_compared_are_averaged(
    record: CollectionRecord, fields: tuple[str, ...], asked: str | None, by_mean: bool
):
    request = SearchRequest.model_validate({"query": {"text": "cat"}, "fusion": asked})
    expected = searcher_pb2.FUSION_MEAN_SCORE if by_mean else searcher_pb2.FUSION_RECIPROCAL_RANK
    assert chosen_fusion(record, request, fields) == expected
