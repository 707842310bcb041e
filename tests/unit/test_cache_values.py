"""Keys, formats and envelopes of the cache."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightwire.cache import envelopes
from sightwire.cache.envelopes import Compression, pack, unpack
from sightwire.cache.formats import Format, decode_value, encode_value
from sightwire.cache.keys import key_of
from sightwire.errors import CorruptDataError, InvalidInputError

COMPRESSIONS: tuple[Compression, ...] = ("none", "gzip", "zstd")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@dataclass
class Query:
    text: str
    limit: int


@pytest.mark.parametrize("value_format", ["msgpack", "json"])
@settings(deadline=None)
@given(value=json_values)
def test_a_value_comes_back_as_it_was(value_format: Format, value: Any) -> None:
    assert decode_value(encode_value(value, value_format), value_format) == value


def test_messagepack_keeps_bytes() -> None:
    assert decode_value(encode_value({"vector": b"\x00\xff"}, "msgpack"), "msgpack") == {"vector": b"\x00\xff"}


@pytest.mark.parametrize("value_format", ["msgpack", "json"])
@pytest.mark.parametrize("value", [object(), {"a": object()}, 2**70])
def test_what_a_format_cannot_write_is_refused(value_format: Format, value: object) -> None:
    with pytest.raises(InvalidInputError, match=f"cannot be cached as {value_format}"):
        encode_value(value, value_format)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@settings(deadline=None)
@given(value=st.binary(max_size=2000), above=st.integers(0, 1000))
def test_an_envelope_gives_back_its_value(compression: Compression, value: bytes, above: int) -> None:
    envelope = pack(value, "json", compression, above)
    assert unpack(envelope) == (value, "json")
    assert len(envelope) <= len(value) + 2
    assert unpack(envelopes.uncompressed(envelope)) == (value, "json")


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_only_values_above_the_size_are_compressed(compression: Compression) -> None:
    assert len(pack(bytes(1000), "json", compression, 1000)) == 1002
    assert len(pack(bytes(1001), "json", compression, 1000)) < 100


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_corrupt(data: bytes) -> None:
    try:
        value, value_format = unpack(data)
        decode_value(value, value_format)
    except CorruptDataError:
        return


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@settings(deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_compressed_envelope_cut_short_is_corrupt(compression: Compression, share: float) -> None:
    envelope = pack(bytes(range(256)) * 20, "msgpack", compression, 0)
    with pytest.raises(CorruptDataError):
        unpack(envelope[: int(share * len(envelope))])


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_small_envelope_cannot_fill_the_memory(compression: Compression, monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = pack(bytes(1_000_000), "msgpack", compression, 0)
    monkeypatch.setattr(envelopes, "MAX_VALUE_BYTES", 100_000)
    with pytest.raises(CorruptDataError, match="larger than 100000 bytes"):
        unpack(envelope)


def test_inputs_of_different_types_have_different_keys() -> None:
    inputs = [(1,), (1.0,), (True,), ("1",), (b"1",), (None,), ((1,),), (1, None), ()]
    assert len({key_of(*each) for each in inputs}) == len(inputs)


def test_a_key_does_not_depend_on_the_order_of_a_mapping() -> None:
    assert key_of({"a": 1, "b": [2, 3]}) == key_of({"b": (2, 3), "a": 1})


def test_a_key_is_the_same_in_every_process_and_version() -> None:
    assert key_of("query-vector", 3, Query("cat", 10)) == "a074acfbb5cf0cffa5f35612f79b4333bce639e5"


def test_a_key_of_an_arbitrary_object_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="plain values"):
        key_of(object())
