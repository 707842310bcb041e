"""API keys: whether a service may be reachable without one, and whether a request carries the right one."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from sightwire.errors import ConfigurationError, UnauthorizedError

#: Name of the admin key.
ADMIN: Final = "admin"
#: Shorter keys can be guessed over the network.
MIN_KEY_CHARACTERS = 16

_LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


def is_loopback(host: str) -> bool:
    """Whether binding to `host` can be reached from this machine only. Unknown names count as reachable."""
    bare = host.strip().removeprefix("[").removesuffix("]").lower()
    if bare in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def require_long_keys(named_keys: Mapping[str, str]) -> None:
    """Refuses keys that can be guessed.

    Raises:
        ConfigurationError: one of `named_keys`, by their names, is too short, or is that of another name, too.
    """
    for name, key in named_keys.items():
        if len(key) < MIN_KEY_CHARACTERS:
            raise ConfigurationError(f"the key {name!r} needs at least {MIN_KEY_CHARACTERS} characters, got {len(key)}")
    if len(set(named_keys.values())) < len(named_keys):
        raise ConfigurationError("two names have the same key, so that nobody could tell them apart; change one")


def require_key_unless_loopback(host: str, admin_key: str | None) -> None:
    """Refuses to start a public door that nobody guards.

    Raises:
        ConfigurationError: `host` is reachable from other machines and there is no admin key, or the key is too short.
    """
    if admin_key is not None and len(admin_key) < MIN_KEY_CHARACTERS:
        raise ConfigurationError(
            f"the admin key needs at least {MIN_KEY_CHARACTERS} characters, got {len(admin_key)}; "
            "make one with: openssl rand -hex 32"
        )
    if admin_key is None and not is_loopback(host):
        raise ConfigurationError(
            f"binding to {host!r} makes the gateway reachable from other machines, which needs an admin key: "
            "set SIGHTWIRE_GATEWAY_ADMIN_KEY (openssl rand -hex 32 makes one), or bind to 127.0.0.1"
        )


class KeyCheck:
    """Compares keys of requests with the configured ones, in a time that tells nothing about them.

    Args:
        admin_key: None: requests need no key.
        named_keys: others that are good, by their names; without an admin key requests need one of them.
    """

    def __init__(self, admin_key: str | None, named_keys: Mapping[str, str] = MappingProxyType({})) -> None:
        keys = {**named_keys, **({ADMIN: admin_key} if admin_key is not None else {})}
        self._digests = {name: _digest(key.encode()) for name, key in keys.items()}

    @property
    def is_required(self) -> bool:
        """Whether requests need a key at all."""
        return bool(self._digests)

    def check_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The name of the key in `Authorization: Bearer <key>` or `X-API-Key: <key>` of an ASGI request (names in
        lower case), `ADMIN` of the admin key; None where no key is needed.

        Raises:
            UnauthorizedError: a key is required, and none came or another one.
        """
        if not self._digests:
            return None
        offered = key_in_headers(headers)
        if offered is None:
            raise UnauthorizedError(
                "this deployment needs an API key: send it as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'"
            )
        # Digests are compared, so that not even the length of a key can be measured; and all, whichever it is.
        digest = _digest(offered)
        names = [name for name, known in self._digests.items() if hmac.compare_digest(digest, known)]
        if not names:
            raise UnauthorizedError("the API key is not the one of this deployment")
        return names[0]


def key_in_headers(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The key that a request offers, from either header; None when it has none."""
    for name, value in headers:
        if name == b"x-api-key":
            return value.strip()
        if name == b"authorization":
            scheme, _, key = value.strip().partition(b" ")
            if scheme.lower() == b"bearer" and key.strip():
                return key.strip()
    return None


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
