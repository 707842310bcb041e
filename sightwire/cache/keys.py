"""Keys that are hashes of the inputs they stand for."""

import hashlib
from typing import Final

import msgspec

from sightwire.errors import InvalidInputError

_DIGEST_BYTES: Final = 20
# Deterministic: mappings and sets are written in one order, whichever they were filled in.
_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")


def key_of(*inputs: object) -> str:
    """The key of what is computed from `inputs`: 40 hexadecimal digits, the same in every process.

    Inputs of different types have different keys (1, 1.0, True, "1" and b"1" are five inputs); a list and a tuple of
    the same elements are the same.

    Example::

        key_of("query-vector", space, text)

    Raises:
        InvalidInputError: an input is not made of plain values (None, numbers, text, bytes, lists, dicts, dataclasses).
    """
    try:
        encoded = _ENCODER.encode(inputs)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"a cache key is made of plain values (None, numbers, text, bytes, lists, dicts), but {error}; "
            "pass the fields that the result depends on"
        ) from error
    return hashlib.blake2b(encoded, digest_size=_DIGEST_BYTES).hexdigest()
