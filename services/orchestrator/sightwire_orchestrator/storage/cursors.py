"""Where a page of a list ends that is ordered by time and id."""

import base64
import binascii
from datetime import datetime

from sightwire.errors import InvalidInputError


def write_cursor(moment: datetime, id_: str) -> str:
    """The position after the entry of a moment and an id."""
    return base64.urlsafe_b64encode(f"{moment.isoformat()} {id_}".encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Moment and id of the entry that a page ended with.

    Raises:
        InvalidInputError: it is no cursor.
    """
    try:
        written, id_ = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
        moment = datetime.fromisoformat(written)
    except (binascii.Error, ValueError):
        raise _no_cursor(cursor) from None
    if moment.tzinfo is None:
        raise _no_cursor(cursor)
    return moment, id_


def _no_cursor(cursor: str) -> InvalidInputError:
    return InvalidInputError(f"cursor {cursor!r} is none that a page had")
