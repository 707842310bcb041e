"""Checks an item against its collection before it goes on the bus, so that the caller hears of it at once."""

import base64

from sightwire.contracts.collections import CollectionRecord, VectorSource, checked_metadata
from sightwire.contracts.events import vector_bytes
from sightwire.errors import InvalidInputError, InvalidVectorError
from sightwire_gateway.item_requests import ItemRequest


def check_item(record: CollectionRecord, item: ItemRequest, *, has_upload: bool) -> dict[str, str]:
    """The item's own vectors as base64 of float32, which is how they travel.

    Args:
        record: the collection.
        item: what the caller sent.
        has_upload: whether a picture's bytes came with it.

    Raises:
        InvalidInputError: nothing in the item, or metadata that the collection's schema refuses.
        InvalidVectorError: a vector of an unknown field, of a wrong dimension, or not finite.
    """
    if not has_upload and item.image is None and not item.text and not item.vectors:
        raise InvalidInputError("an item needs at least one of 'image', 'text' and 'vectors', got none of them")
    checked_metadata(record.spec, item.metadata)
    return {field: _base64_vector(record, field, value) for field, value in item.vectors.items()}


def _base64_vector(record: CollectionRecord, field: str, vector: list[float] | str) -> str:
    data = checked_vector(record, field, vector)
    return vector if isinstance(vector, str) else base64.b64encode(data).decode()


def checked_vector(record: CollectionRecord, field: str, vector: list[float] | str) -> bytes:
    """A vector that came with an item as little-endian float32 bytes.

    Raises:
        InvalidVectorError: no field of the user's own, wrong dimension, not finite.
    """
    definition = record.spec.fields.get(field)
    if definition is None:
        raise InvalidVectorError(
            f"collection {record.name!r} has no vector field {field!r} (it has: {_fields(record)})"
        )
    if definition.source is not VectorSource.USER:
        raise InvalidVectorError(
            f"vectors of field {field!r} are made by the platform from the item's {definition.source.value}; "
            "send vectors for fields of source 'user' only"
        )
    try:
        return vector_bytes(field, vector, record.dimension(field))
    except (TypeError, OverflowError) as error:
        raise InvalidVectorError(f"vector of field {field!r} does not fit float32: {error}") from None


def _fields(record: CollectionRecord) -> str:
    return ", ".join(record.spec.fields)
