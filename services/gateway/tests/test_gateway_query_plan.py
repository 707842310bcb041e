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
    assert chosen_fusion(record, request, QueryPlan(fields, Embedding.TEXT)) == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"query": {"text": "cat"}, "hybrid": True}, searcher_pb2.FUSION_MEAN_SCORE),
        ({"query": {"item": "a"}, "full_text": {"query": "cat"}}, searcher_pb2.FUSION_MEAN_SCORE),
        (
            {"query": {"text": "cat"}, "target": "objects", "full_text": {"query": "cat"}},
            searcher_pb2.FUSION_WEIGHTED_NORMALIZED,
        ),
        ({"query": {"text": "cat"}, "hybrid": True, "fusion": "rrf"}, searcher_pb2.FUSION_RECIPROCAL_RANK),
        ({"query": {"text": "cat"}, "fusion": "weighted"}, searcher_pb2.FUSION_WEIGHTED_NORMALIZED),
        # Without a word, vectors alone say what is near.
        ({"query": {"text": "?!"}, "hybrid": True}, searcher_pb2.FUSION_MEAN_SCORE),
    ],
)
def test_words_are_added_to_the_mean_where_there_is_one(
    record: CollectionRecord, members: dict[str, Any], expected: int
):
    request = SearchRequest.model_validate(members)
    assert chosen_fusion(record, request, plan(record, **members)) == expected


@pytest.mark.parametrize(
    ("members", "fields", "words"),
    [
        ({"full_text": {"query": "red shoe"}}, (), searcher_pb2.TextQuery(text="red shoe")),
        (
            {"query": {"text": "cat"}, "hybrid": True, "full_text": {"highlight": True, "weight": 2}},
            ("image", "text"),
            searcher_pb2.TextQuery(text="cat", highlight=True, weight=2),
        ),
        (
            {"query": {"item": "a"}, "full_text": {"query": "cat", "parts": ["tags"], "require_all": True}},
            ("image",),
            searcher_pb2.TextQuery(text="cat", parts=["tags"], require_all=True),
        ),
        (
            {"query": {"text": '-what? "a" big_dog*'}, "hybrid": True},
            ("image", "text"),
            searcher_pb2.TextQuery(text="what a big dog", weight=0.5),
        ),
        ({"query": {"text": "?!"}, "hybrid": True}, ("image", "text"), None),
        ({"query": {"text": "cat"}}, ("image", "text"), None),
        ({"sort": ["-price"]}, (), None),
        ({"facets": ["shop"], "group_by": "shop"}, (), None),
    ],
)
def test_words_are_searched_alone_and_beside_vectors(
    record: CollectionRecord, members: dict[str, Any], fields: tuple[str, ...], words: searcher_pb2.TextQuery | None
):
    made = plan(record, **members)
    assert made.fields == fields
    assert made.words == words


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"group_by": "shop"}, "only with 'full_text', 'sort' or 'facets' it may be absent"),
        ({"hybrid": True}, "'query' needs a 'text'"),
        ({"query": {"item": "a"}, "hybrid": True}, "'query' needs a 'text'"),
        ({"query": {"text": "a"}, "hybrid": True, "full_text": {"query": "b"}}, "leave 'hybrid' or 'full_text.query'"),
        ({"query": {"text": "a"}, "full_text": {}}, "'full_text' needs a 'query', or 'hybrid'"),
        ({"full_text": {"query": " "}}, "blank"),
        ({"full_text": {"query": "x" * 101}}, "100 characters, got 101"),
        ({"query": {"text": "a"}, "sort": ["price"]}, "results of a query by text are ranked by nearness"),
        ({"sort": ["price"], "fields": ["image"]}, "'fields' is about vectors"),
        ({"full_text": {"query": "a"}, "fusion": "rrf"}, "'fusion' is about vectors"),
        ({"full_text": {"query": "a"}, "weights": {"image": 1}}, "'weights' is about vectors"),
        ({"full_text": {"query": "a"}, "target": "objects"}, "the target 'objects' needs a 'query'"),
        ({"query": {"text": "a"}, "weights": {"own": 2}}, "'weights' names field 'own', but searched are: image, text"),
        ({"facets": ["shop", {"field": "shop"}]}, "each field once, got shop, shop"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(record: CollectionRecord, members: dict[str, Any], message: str):
    with pytest.raises(InvalidInputError, match=message):
        plan(record, **members)
