"""Stored documents in answers: spliced as they are, not parsed on the way.

A document is the JSON object that the index stores (`sightwire.contracts.documents`). Members are added before its last
brace. Whether it has an image is read from its bytes: inside JSON strings quotes are escaped, so that the searched
sequences cannot occur there.
"""

import re
from typing import Any, Final

import orjson

from sightwire_gateway.paths import item_path

_IMAGE: Final = b'"image":{'
_METADATA: Final = b'"metadata":'
_EMPTY: Final = b"{}"
_SHA256: Final = re.compile(rb'"sha256":"([0-9a-f]{64})"')
#: Enough of the sha256 in an address to make it another one when the picture changes.
VERSION_CHARACTERS: Final = 16


def picture_sha256(document: bytes) -> str | None:
    """sha256 of the document's picture, None when it has none."""
    image = document.find(_IMAGE)
    if image < 0:
        return None
    metadata = document.find(_METADATA)
    if 0 <= metadata < image:
        after = metadata + len(_METADATA)
        if document[after : after + 2] != _EMPTY:
            # What was found may be a member of the user's metadata; only parsing can tell.
            parsed = orjson.loads(document).get("image")
            return str(parsed["sha256"]) if parsed else None
    match = _SHA256.search(document, image)
    return match.group(1).decode() if match else None


def picture_urls(base_url: str, collection: str, item_id: str, sha256: str) -> tuple[str, str]:
    """Addresses of an item's picture and thumbnail; they change with the picture, and so may be cached for ever."""
    version = sha256[:VERSION_CHARACTERS]
    item = f"{base_url}{item_path(collection, item_id)}"
    return f"{item}/image?v={version}", f"{item}/thumbnail?v={version}"


def with_members(document: bytes, members: dict[str, Any]) -> bytes:
    """The document with more members at its end."""
    if not members:
        return document
    separator = b"" if document == b"{}" else b","
    return document[:-1] + separator + orjson.dumps(members)[1:]


def public_item(document: bytes, *, base_url: str, collection: str, item_id: str) -> orjson.Fragment:
    """The document as answers show it: with the addresses of its picture if it has one."""
    sha256 = picture_sha256(document)
    if sha256 is None:
        return orjson.Fragment(document)
    image_url, thumbnail_url = picture_urls(base_url, collection, item_id, sha256)
    return orjson.Fragment(with_members(document, {"image_url": image_url, "thumbnail_url": thumbnail_url}))
