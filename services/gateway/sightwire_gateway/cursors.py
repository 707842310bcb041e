"""Cursors of paged searches: opaque to callers, bound to the query that they came from and the index that answered."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

import orjson

from sightwire_gateway.errors import InvalidCursorError
from sightwire_gateway.search_requests import SearchRequest

#: Results beyond this cannot be paged to: each page searches all before it again.
PAGING_WINDOW: Final = 10_000

_FORMAT: Final = 2
_FINGERPRINT_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins, in which manifest of which index, so that pages of a changing collection fit together."""

    offset: int
    manifest_version: int
    fingerprint: str
    #: Name of the collection whose index answers: a shadow's, perhaps.
    index: str


def fingerprint(collection_uid: str, request: SearchRequest, picture_sha256: str = "") -> str:
    """Identifies a query: the same for each of its pages, another one for any other query."""
    query = request.model_dump(mode="json", exclude={"cursor", "k", "explain"}, exclude_none=True)
    canonical = orjson.dumps([collection_uid, picture_sha256, query], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).digest()[:_FINGERPRINT_BYTES].hex()


def encode(cursor: Cursor) -> str:
    """The cursor as text for a URL or a JSON member."""
    members = orjson.dumps([_FORMAT, cursor.offset, cursor.manifest_version, cursor.fingerprint, cursor.index])
    return base64.urlsafe_b64encode(members).rstrip(b"=").decode()


def decode(text: str, *, expected_fingerprint: str) -> Cursor:
    """The cursor in `text`.

    Raises:
        InvalidCursorError: not one of ours, or one of another query.
    """
    try:
        members = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        format_, offset, manifest_version, fingerprint_, index = members
    except (binascii.Error, orjson.JSONDecodeError, ValueError, TypeError):
        raise InvalidCursorError("this cursor is not one that an answer contained; send it as it came") from None
    is_well_formed = (
        format_ == _FORMAT
        and type(offset) is int
        and type(manifest_version) is int
        and 0 < offset < PAGING_WINDOW
        and 0 <= manifest_version < 2**63
        and type(index) is str
    )
    if not is_well_formed:
        raise InvalidCursorError("this cursor is not one that an answer contained; send it as it came")
    if fingerprint_ != expected_fingerprint:
        raise InvalidCursorError("this cursor belongs to another query; repeat the query unchanged, or leave it out")
    return Cursor(offset, manifest_version, fingerprint_, index)
