"""Users' names for indexes, and ids of queries: decisions without a gateway."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from sightwire_gateway.canaries import overlap
from sightwire_gateway.query_ids import QueryId, is_in_share, new_query, query_id, was_answered_by_shadow
from sightwire_gateway.users_names import check_users_name, errors_in_users_words, in_users_words

from services.gateway.tests.conftest import make_record
from sightwire.contracts.collections import CollectionRecord, new_shadow_name
from sightwire.errors import ConflictError, InvalidInputError

SHADOW = "photos--0123456789ab"


@pytest.fixture
def shadow() -> CollectionRecord:
    return make_record(name=SHADOW).model_copy(update={"shadow_of": "photos"})


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (SHADOW, "photos"),
        (f"collection '{SHADOW}' is busy", "collection 'photos' is busy"),
        (f"on control.index.{SHADOW}, {SHADOW}: twice", "on control.index.photos, photos: twice"),
        (f"indexes/{SHADOW}-uid1/manifest", f"indexes/{SHADOW}-uid1/manifest"),
        (f"my-{SHADOW} and {SHADOW}c", f"my-{SHADOW} and {SHADOW}c"),
        (
            {"collection": SHADOW, "runs": [{"of": SHADOW}, 1, None]},
            {"collection": "photos", "runs": [{"of": "photos"}, 1, None]},
        ),
        ([True, 1.5, {}], [True, 1.5, {}]),
    ],
)
def test_shadows_have_the_users_name_wherever_they_are_named(shadow: CollectionRecord, said: Any, heard: Any) -> None:
    assert in_users_words(said, shadow) == heard


def test_what_is_said_of_a_collection_itself_stays(record: CollectionRecord) -> None:
    said = {"collection": "photos", "other": SHADOW}
    assert in_users_words(said, record) is said


def test_errors_keep_their_kind(shadow: CollectionRecord) -> None:
    with pytest.raises(ConflictError) as caught, errors_in_users_words(shadow):
        raise ConflictError(f"an operation of '{SHADOW}' runs")
    assert caught.value.detail == "an operation of 'photos' runs"


@pytest.mark.parametrize("name", ["a--b", "a--", "a---b", pytest.param(new_shadow_name("photos"), id="as made")])
def test_names_of_shadows_are_not_for_users(name: str) -> None:
    with pytest.raises(InvalidInputError, match="two hyphens"):
        check_users_name(name)


@pytest.mark.parametrize("name", ["photos", "a-b-c", "a_-b"])
def test_other_names_are(name: str) -> None:
    check_users_name(name)


@pytest.mark.parametrize("answered_by_shadow", [True, False])
def test_ids_of_queries_say_who_answered(answered_by_shadow: bool) -> None:
    id_ = query_id(new_query(), answered_by_shadow=answered_by_shadow)
    assert TypeAdapter(QueryId).validate_python(id_) == id_
    assert was_answered_by_shadow(id_) is answered_by_shadow


@pytest.mark.parametrize("id_", ["", "x", "0" * 32, "0" * 32 + "-x", "0" * 33 + "-s", "A" * 32 + "-s"])
def test_other_texts_are_no_ids_of_queries(id_: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(QueryId).validate_python(id_)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_the_share_is_kept_and_the_same_queries_are_in_every_larger_one(share: float) -> None:
    queries = [f"{number:032x}" for number in range(20_000)]
    chosen = {query for query in queries if is_in_share(query, share)}
    assert len(chosen) / len(queries) == pytest.approx(share, abs=0.02)
    assert chosen == {query for query in queries if is_in_share(query, share)}
    assert all(is_in_share(query, min(1.0, share * 1.5)) for query in chosen)


@pytest.mark.parametrize(
    ("ids", "others", "shared"),
    [
        ("abcd", "abcd", 1.0),
        ("abcd", "dcba", 1.0),
        ("abcd", "abxy", 0.5),
        ("abcd", "wxyz", 0.0),
        ("ab", "abcd", 0.5),
        ("", "", 1.0),
        ("a", "", 0.0),
        ("abcdefghijX", "abcdefghijY", 1.0),
    ],
)
def test_overlap_is_that_of_the_first_ten(ids: str, others: str, shared: float) -> None:
    assert overlap(list(ids), list(others)) == overlap(list(others), list(ids)) == shared
