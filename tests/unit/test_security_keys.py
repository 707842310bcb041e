"""Where a gateway may bind, and which requests carry the right key."""

import pytest

from sightwire.errors import ConfigurationError, UnauthorizedError
from sightwire.security.keys import ADMIN, KeyCheck, is_loopback, require_key_unless_loopback, require_long_keys

KEY = "correct-horse-battery"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.4.5", "localhost", "LOCALHOST", "::1", "[::1]"])
def test_loopback_needs_no_key(host: str):
    assert is_loopback(host)
    require_key_unless_loopback(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.4", "example.org", "localhost.example.org"])
def test_a_reachable_address_needs_a_key(host: str):
    with pytest.raises(ConfigurationError, match="SIGHTWIRE_GATEWAY_ADMIN_KEY"):
        require_key_unless_loopback(host, None)
    require_key_unless_loopback(host, KEY)


def test_a_short_key_is_refused_everywhere():
    with pytest.raises(ConfigurationError, match="at least 16 characters, got 5"):
        require_key_unless_loopback("127.0.0.1", "short")


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer " + KEY.encode())],
        [(b"authorization", b"bearer   " + KEY.encode() + b" ")],
        [(b"accept", b"*/*"), (b"x-api-key", KEY.encode())],
    ],
)
def test_the_right_key_passes_in_either_header(headers: list[tuple[bytes, bytes]]):
    KeyCheck(KEY).check_headers(headers)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([], "needs an API key"),
        ([(b"authorization", b"Basic " + KEY.encode())], "needs an API key"),
        ([(b"authorization", b"Bearer ")], "needs an API key"),
        ([(b"x-api-key", b"")], "not the one"),
        ([(b"x-api-key", KEY[:-1].encode())], "not the one"),
        ([(b"authorization", b"Bearer " + KEY.encode() + b"x")], "not the one"),
        ([(b"x-api-key", b"\xff\xfe")], "not the one"),
    ],
)
def test_no_key_or_another_one_is_refused(headers: list[tuple[bytes, bytes]], message: str):
    with pytest.raises(UnauthorizedError, match=message):
        KeyCheck(KEY).check_headers(headers)


def test_without_a_configured_key_nothing_is_asked():
    check = KeyCheck(None)
    assert not check.is_required
    check.check_headers([])


def test_the_name_of_a_key_is_told():
    check = KeyCheck(KEY, {"ada": "another-key-of-ada"})
    assert check.check_headers([(b"x-api-key", KEY.encode())]) == ADMIN
    assert check.check_headers([(b"x-api-key", b"another-key-of-ada")]) == "ada"
    assert KeyCheck(None).check_headers([]) is None


def test_named_keys_alone_are_asked_for():
    check = KeyCheck(None, {"ada": "another-key-of-ada"})
    with pytest.raises(UnauthorizedError, match="needs an API key"):
        check.check_headers([])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"ada": "short"}, "the key 'ada' needs at least 16 characters, got 5"),
        ({"ada": KEY, "bob": KEY}, "the same key"),
    ],
)
def test_named_keys_must_be_long_and_differ(keys: dict[str, str], message: str):
    with pytest.raises(ConfigurationError, match=message):
        require_long_keys(keys)
    require_long_keys({"ada": KEY, "bob": "another-key-of-bob"})
