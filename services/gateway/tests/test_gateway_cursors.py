"""Cursors: opaque, bound to their query."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_gateway import cursors
from sightwire_gateway.cursors import PAGING_WINDOW, Cursor
from sightwire_gateway.errors import InvalidCursorError
from sightwire_gateway.search_requests import SearchRequest


def request(**members: object) -> SearchRequest:
    return SearchRequest.model_validate({"query": {"text": "a cat"}, **members})


@given(
    offset=st.integers(1, PAGING_WINDOW - 1), version=st.integers(0, 2**63 - 1), index=st.sampled_from(["a", "a--0f"])
)
def test_a_cursor_comes_back_as_it_was(offset: int, version: int, index: str):
    cursor = Cursor(offset, version, cursors.fingerprint("uid", request()), index)
    assert cursors.decode(cursors.encode(cursor), expected_fingerprint=cursor.fingerprint) == cursor


@pytest.mark.parametrize(
    "other",
    [
        {"query": {"text": "a dog"}},
        {"filter": {"tags_any": ["x"]}},
        {"fields": ["image"]},
        {"target": "objects"},
        {"ef_search": 99},
        {"hybrid": True},
        {"full_text": {"query": "cat"}},
        {"full_text": {"query": "cat", "highlight": True}},
        {"fusion": "rrf"},
        {"weights": {"image": 2}},
        {"sort": ["-price"]},
        {"group_by": "shop"},
        {"facets": ["shop"]},
    ],
)
def test_a_cursor_of_another_query_is_refused(other: dict[str, object]):
    cursor = cursors.encode(Cursor(10, 1, cursors.fingerprint("uid", request()), "photos"))
    with pytest.raises(InvalidCursorError, match="another query"):
        cursors.decode(cursor, expected_fingerprint=cursors.fingerprint("uid", request(**other)))


def test_page_size_and_explanation_may_change_from_page_to_page():
    first = cursors.fingerprint("uid", request(k=10))
    assert cursors.fingerprint("uid", request(k=50, explain=True, cursor="x")) == first


def test_short_and_long_forms_are_the_same_query():
    short = request(sort=["-price", "_id"], group_by="shop", facets=["shop"])
    long = request(
        sort=[{"field": "price", "descending": True}, {"field": "_id"}],
        group_by={"field": "shop", "size": 1},
        facets=[{"field": "shop", "limit": 10}],
    )
    assert cursors.fingerprint("uid", short) == cursors.fingerprint("uid", long)


def test_another_incarnation_or_picture_is_another_query():
    assert cursors.fingerprint("uid", request()) != cursors.fingerprint("new", request())
    assert cursors.fingerprint("uid", request(), "aa") != cursors.fingerprint("uid", request(), "bb")


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str):
    with pytest.raises(InvalidCursorError):
        cursors.decode(text, expected_fingerprint="x")


@pytest.mark.parametrize("offset", [0, -1, PAGING_WINDOW, True, 1.5, "1"])
def test_an_offset_outside_the_window_is_refused(offset: object):
    cursor = cursors.encode(Cursor(offset, 1, "f", "photos"))  # type: ignore[arg-type]
    with pytest.raises(InvalidCursorError, match="not one that"):
        cursors.decode(cursor, expected_fingerprint="f")
