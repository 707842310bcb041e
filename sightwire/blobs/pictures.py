"""Where pictures lie in the blob store, and how they are checked when they are read: by their content's sha256."""

import asyncio
import hashlib
from typing import Final

from sightwire.blobs.store import BlobStore
from sightwire.contracts.events import BlobReference
from sightwire.errors import CorruptDataError

#: Larger pictures are hashed in a thread: a megabyte takes about a millisecond.
_HASHED_AT_ONCE_BYTES: Final = 256 * 1024


def picture_key(sha256: str) -> str:
    """Key of the picture with these contents."""
    return f"pictures/{sha256[:2]}/{sha256}"


def thumbnail_key(sha256: str, size: int) -> str:
    """Key of a picture's thumbnail with a longer side of `size` pixels."""
    return f"thumbnails/{sha256[:2]}/{sha256}-{size}.webp"


async def store_picture(blobs: BlobStore, data: bytes, *, media_type: str, width: int, height: int) -> BlobReference:
    """Stores a picture once, however often it comes, and returns its claim check."""
    sha256 = await _sha256(data)
    key = picture_key(sha256)
    if await blobs.size(key) != len(data):
        await blobs.put(key, data)
    return BlobReference(blob=key, sha256=sha256, media_type=media_type, bytes=len(data), width=width, height=height)


async def load_picture(blobs: BlobStore, reference: BlobReference) -> bytes:
    """The bytes behind a claim check.

    Raises:
        NotFoundError: they are not there.
        CorruptDataError: they are others than the reference says.
    """
    data = await blobs.get(reference.blob)
    sha256 = await _sha256(data)
    if sha256 != reference.sha256:
        raise CorruptDataError(f"blob {reference.blob!r} has sha256 {sha256}, but {reference.sha256} was expected")
    return data


async def _sha256(data: bytes) -> str:
    if len(data) <= _HASHED_AT_ONCE_BYTES:
        return hashlib.sha256(data).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
