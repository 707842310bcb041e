"""Text queries: what a user may type, and the words that it becomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_searcher.search.edit_distance import within_distance
from sightwire_searcher.search.text_query import Fuzzy, Phrase, Prefix, checked_text
from sightwire_searcher.search.text_syntax import Term, parse_terms

from sightwire.contracts.collections import TextLanguage
from sightwire.errors import InvalidInputError
from sightwire.v1 import searcher_pb2 as pb

ENGLISH = TextLanguage.ENGLISH
typed = st.one_of(st.text(), st.text(alphabet='ab -"*~12\t'))


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("red shoes", [Term("red"), Term("shoes")]),
        ('"red shoe" dog', [Term("red shoe", phrase=True), Term("dog")]),
        ('-"red shoe"', [Term("red shoe", excluded=True, phrase=True)]),
        ("shoe* -dog*", [Term("shoe", prefix=True), Term("dog", excluded=True, prefix=True)]),
        ("shoo~ dgo~2", [Term("shoo", distance=1), Term("dgo", distance=2)]),
        ("well-known -blue", [Term("well-known"), Term("blue", excluded=True)]),
        ('"never closed', [Term("never closed", phrase=True)]),
        ('a"b"c', [Term("a"), Term("b", phrase=True), Term("c")]),
        ('"" * -* ~', []),
    ],
)
def test_a_query_is_read_term_by_term(text: str, terms: list[Term]) -> None:
    assert parse_terms(text) == terms


@pytest.mark.parametrize("text", ["shoo~3", "shoo~0", "shoo~11"])
def test_other_fuzzy_distances_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="1 to 2 letters"):
        parse_terms(text)


@given(typed)
def test_reading_what_was_read_changes_nothing(text: str) -> None:
    try:
        terms = parse_terms(text)
    except InvalidInputError:
        return
    assert parse_terms(" ".join(map(str, terms))) == terms


@given(typed, st.sampled_from(TextLanguage))
def test_any_text_is_a_query_or_invalid_input(text: str, language: TextLanguage) -> None:
    try:
        query = checked_text(pb.TextQuery(text=text), language)
    except InvalidInputError:
        return
    assert query.included


@pytest.mark.parametrize(
    ("text", "language", "what"),
    [
        ("Shoes", ENGLISH, Phrase(((0, "shoe"),))),
        ("Shoes", TextLanguage.NONE, Phrase(((0, "shoes"),))),
        ("Häuser", TextLanguage.GERMAN, Phrase(((0, "haus"),))),
        ("well-known", ENGLISH, Phrase(((0, "well"), (1, "known")))),
        ("Running*", ENGLISH, Prefix((), "running", "run")),
        ("red-sho*", ENGLISH, Prefix(((0, "red"),), "sho", "sho")),
        ("dogs~", ENGLISH, Fuzzy(("dog", "dogs"), 1)),
    ],
)
def test_terms_become_indexed_words(text: str, language: TextLanguage, what: object) -> None:
    assert [clause.what for clause in checked_text(pb.TextQuery(text=text), language).clauses] == [what]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (pb.TextQuery(text=""), "needs a word"),
        (pb.TextQuery(text="-red"), "needs a word"),
        (pb.TextQuery(text="!?"), "needs a word"),
        (pb.TextQuery(text="red", parts=["title"]), "'title'"),
        (pb.TextQuery(text="red", weight=-1), "weight of the text query"),
        (pb.TextQuery(text="a" * 4001), "4000 characters"),
        (pb.TextQuery(text=" ".join(f"w{number}" for number in range(65))), "64 words"),
        (pb.TextQuery(text="well-known~1"), "single word"),
    ],
)
def test_what_cannot_be_answered_is_refused(message: pb.TextQuery, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        checked_text(message, ENGLISH)


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [("dog", "dog", 0), ("dog", "dgo", 1), ("dog", "dogs", 1), ("dog", "cat", 3), ("", "ab", 2), ("form", "from", 1)],
)
def test_distance_of_words(first: str, second: str, distance: int) -> None:
    assert within_distance(first, second, distance)
    assert within_distance(second, first, distance)
    assert distance == 0 or not within_distance(first, second, distance - 1)
