"""What is said of a shadow's index, in the name that users know; pure.

Indexers and searchers know a shadow by its own name alone, and say it in answers and errors.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import InvalidInputError, SightwireError

_MARK_OF_SHADOWS = "--"


def check_users_name(name: str) -> None:
    """Refuses names that shadows have.

    Raises:
        InvalidInputError: two hyphens in a row.
    """
    if _MARK_OF_SHADOWS in name:
        raise InvalidInputError(
            f"a collection's name has no two hyphens in a row, got {name!r}: such names are the platform's own; use one"
        )


def in_users_words(value: Any, index: CollectionRecord) -> Any:
    """A JSON value with the users' name wherever the index is named."""
    if index.shadow_of is None:
        return value
    if isinstance(value, str):
        # A longer name, or the folder of an incarnation, is something else.
        return re.sub(rf"(?<![\w-]){re.escape(index.name)}(?![\w-])", index.users_name, value)
    if isinstance(value, list):
        return [in_users_words(entry, index) for entry in value]
    if isinstance(value, dict):
        return {key: in_users_words(entry, index) for key, entry in value.items()}
    return value


@contextmanager
def errors_in_users_words(index: CollectionRecord) -> Iterator[None]:
    """Errors from within name the collection as users do."""
    try:
        yield
    except SightwireError as error:
        error.detail = in_users_words(error.detail, index)
        raise
