"""Values as bytes: JSON or MessagePack, never pickle, so that whoever can write to the server cannot run code here."""

from typing import Any, Final, Literal

import msgspec
import orjson

from sightwire.errors import CorruptDataError, InvalidInputError

Format = Literal["msgpack", "json"]
_MSGPACK: Final = msgspec.msgpack.Encoder()


def encode_value(value: object, value_format: Format) -> bytes:
    """`value` in the format.

    Both formats give back lists for tuples and dicts for dataclasses; only MessagePack keeps bytes, NaN and infinity.

    Raises:
        InvalidInputError: the format has no way to write the value.
    """
    try:
        return orjson.dumps(value) if value_format == "json" else _MSGPACK.encode(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"a {type(value).__name__} cannot be cached as {value_format}: {error}; cache plain values"
        ) from error


def decode_value(data: bytes, value_format: Format) -> Any:
    """The value that `encode_value` wrote.

    Raises:
        CorruptDataError: the bytes are not of the format.
    """
    try:
        return orjson.loads(data) if value_format == "json" else msgspec.msgpack.decode(data)
    except (ValueError, RecursionError) as error:
        raise CorruptDataError(f"a cached value is not {value_format}: {error}") from error
