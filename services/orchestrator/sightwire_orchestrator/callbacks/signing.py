"""Signatures of webhooks as Standard Webhooks has them, so that receivers find a library for them in any language.

A receiver computes HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`, refuses timestamps that are some minutes
old, and remembers ids for as long: whoever records a request cannot send it again with effect.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final, Self

from pydantic import SecretStr

from sightwire.errors import ConfigurationError, NotFoundError
from sightwire.security.keys import MIN_KEY_CHARACTERS

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"
#: Before keys that are written in base64.
_BASE64_KEY: Final = "whsec_"


class WebhookKeys:
    """The keys that are configured, by name. Definitions name keys; what they are stays in the settings."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)

    @classmethod
    def of(cls, configured: Mapping[str, SecretStr]) -> Self:
        """Keys as settings have them: text, or `whsec_` and base64.

        Raises:
            ConfigurationError: one is too short, or no base64.
        """
        return cls({name: _key_bytes(name, key.get_secret_value()) for name, key in configured.items()})

    def get(self, name: str) -> bytes:
        """The key of a name.

        Raises:
            NotFoundError: none of that name is configured.
        """
        if name not in self._keys:
            raise NotFoundError(
                f"no key {name!r} for webhooks is configured; there are {', '.join(sorted(self._keys)) or 'none'}: add "
                "it to SIGHTWIRE_ORCHESTRATOR_WEBHOOK_KEYS"
            )
        return self._keys[name]


def signed_headers(key: bytes, *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed webhook; `timestamp` in seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {ID_HEADER: message_id, TIMESTAMP_HEADER: str(timestamp), SIGNATURE_HEADER: f"v1,{digest}"}


def _key_bytes(name: str, key: str) -> bytes:
    if len(key.removeprefix(_BASE64_KEY)) < MIN_KEY_CHARACTERS:
        raise ConfigurationError(
            f"the key {name!r} for webhooks needs at least {MIN_KEY_CHARACTERS} characters; "
            "make one with: openssl rand -hex 32"
        )
    if not key.startswith(_BASE64_KEY):
        return key.encode()
    try:
        return base64.b64decode(key.removeprefix(_BASE64_KEY), validate=True)
    except ValueError:
        raise ConfigurationError(f"the key {name!r} for webhooks begins with {_BASE64_KEY} and is no base64") from None
