"""Which fields the values of items can be sorted, grouped and counted by."""

from collections.abc import Collection

from sightwire.contracts.collections import CollectionRecord, MetadataType
from sightwire.errors import InvalidInputError


def check_field(record: CollectionRecord, field: str, purpose: str, *, built_in: Collection[str] = ()) -> None:
    """Refuses a field that the collection does not have.

    Args:
        purpose: what the field is asked for, after "to": "sort by".
        built_in: names beside those of the metadata fields.

    Raises:
        InvalidInputError: there is no such field; the message lists those that there are.
    """
    if field in built_in or field in record.spec.metadata:
        return
    known = ", ".join([*sorted(record.spec.metadata), *built_in]) or "none"
    raise InvalidInputError(f"collection {record.name!r} has no field {field!r} to {purpose} (it has: {known})")


def check_single_valued(record: CollectionRecord, field: str, purpose: str, *, built_in: Collection[str] = ()) -> None:
    """Refuses a field that the collection does not have, and one of lists.

    Raises:
        InvalidInputError: as `check_field`, or an item can have several values in the field.
    """
    check_field(record, field, purpose, built_in=built_in)
    if field not in built_in and record.spec.metadata[field].type is MetadataType.STRING_LIST:
        raise InvalidInputError(f"metadata field {field!r} has lists of values; {purpose} one that has not")
