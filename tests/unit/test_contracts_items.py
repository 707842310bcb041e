"""Names, collections, metadata and ingest events: what is accepted, and what is said of the rest."""

import base64
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sightwire.contracts.collections import CollectionSpec, VectorSource, checked_metadata
from sightwire.contracts.events import IngestEvent, vector_bytes
from sightwire.contracts.names import ItemId, key_token, text_from_key_token
from sightwire.errors import InvalidInputError, InvalidVectorError


@given(st.text(min_size=1, max_size=64))
def test_any_text_can_be_a_key_and_comes_back(text: str) -> None:
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        return
    token = key_token(text)
    assert text_from_key_token(token) == text
    assert all(character.isascii() and (character.isalnum() or character in "-_=") for character in token)


@pytest.mark.parametrize("item_id", ["a", "a b", "folder/ä.jpg", "x" * 256])
def test_item_ids_may_be_paths_and_foreign_keys(item_id: str) -> None:
    assert TypeAdapter(ItemId).validate_python(item_id) == item_id


@pytest.mark.parametrize("item_id", ["", " a", "a ", "a\nb", "x" * 257, "a\x00"])
def test_item_ids_without_a_visible_form_are_refused(item_id: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ItemId).validate_python(item_id)


def test_a_collection_has_platform_fields_by_default() -> None:
    spec = CollectionSpec(name="photos")
    assert spec.embeds
    assert spec.field_names(VectorSource.IMAGE, VectorSource.TEXT) == ["image", "text"]


def test_a_field_of_the_users_own_needs_a_dimension() -> None:
    with pytest.raises(ValidationError, match="needs a 'dimension'"):
        CollectionSpec.model_validate({"name": "photos", "fields": {"mine": {}}})


@pytest.mark.parametrize("name", ["", "A", "1a", "a.b", "a b", "a" * 64, "a\n"])
def test_collection_names_are_bus_tokens(name: str) -> None:
    with pytest.raises(ValidationError):
        CollectionSpec(name=name)


SPEC = CollectionSpec.model_validate(
    {
        "name": "shop",
        "metadata": {
            "price": {"type": "float", "required": True},
            "listed": {"type": "datetime"},
            "colours": {"type": "string_list"},
        },
    }
)


def test_metadata_is_stored_in_one_form() -> None:
    stored = checked_metadata(
        SPEC, {"price": 3, "listed": "2026-01-01T00:00:00Z", "note": {"free": 1}, "colours": None}
    )
    assert stored == {"price": 3.0, "listed": "2026-01-01T00:00:00+00:00", "note": {"free": 1}}


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ({}, "requires the metadata field.*price"),
        ({"price": "3 euros"}, "expects float"),
        ({"price": math.nan}, "expects float"),
        ({"price": 1, "listed": "soon"}, "expects datetime"),
        ({"price": 1, "colours": "red"}, "expects string_list"),
        ({"price": 1, "note": math.inf}, "must be finite"),
    ],
)
def test_metadata_outside_the_schema_is_refused(metadata: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        checked_metadata(SPEC, metadata)


def test_a_strict_collection_names_the_undeclared_key() -> None:
    strict = SPEC.model_copy(update={"undeclared_metadata": "refuse"})
    with pytest.raises(InvalidInputError, match=r"'note' is not in the schema"):
        checked_metadata(strict, {"price": 1, "note": "x"})


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"id": "a"}, "at least one of"),
        ({"id": "a", "image": {}}, "exactly one of"),
        ({"id": "a", "image": {"url": "http://x", "data": "eA=="}}, "exactly one of"),
        ({"id": "a", "text": "x", "colour": "red"}, "colour"),
        ({"text": "x"}, "id"),
        ({"id": "a", "text": "x", "time": "2026-01-01T00:00:00"}, "timezone"),
    ],
)
def test_a_malformed_event_says_what_is_wrong(document: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        IngestEvent.model_validate(document)


def test_a_deletion_needs_nothing_but_the_id() -> None:
    assert IngestEvent.model_validate({"id": "a", "operation": "delete"}).operation == "delete"


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=16))
def test_vectors_come_as_numbers_or_base64_alike(vector: list[float]) -> None:
    expected = struct.pack(f"<{len(vector)}f", *vector)
    assert vector_bytes("v", vector, len(vector)) == expected
    assert vector_bytes("v", base64.b64encode(expected).decode(), len(vector)) == expected


@pytest.mark.parametrize(
    ("vector", "complaint"),
    [
        ([1.0, 2.0, 3.0], "needs 2 float32 numbers, got 3"),
        ([1.0, math.nan], "must be finite"),
        ([1.0, 1e39], "must be finite"),
        ("not base64!", "not base64"),
        (base64.b64encode(struct.pack("<f", 1.0)).decode(), "got 1"),
    ],
)
def test_a_wrong_vector_says_what_was_expected(vector: list[float] | str, complaint: str) -> None:
    with pytest.raises(InvalidVectorError, match=complaint):
        vector_bytes("v", vector, 2)
