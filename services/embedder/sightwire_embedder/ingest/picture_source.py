"""Gets an event's picture: from the blob store, from a URL, or out of the event itself."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from sightwire.blobs import BlobStore
from sightwire.blobs.pictures import load_picture, picture_key, store_picture
from sightwire.contracts.events import BlobReference, ImageSource
from sightwire.errors import InvalidPictureError, TooLargeError
from sightwire.security.fetch import PictureFetcher

_SHOWN_FILENAME_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A picture file's bytes; `reference` is set when they lie in the blob store where pictures belong."""

    data: bytes
    filename: str
    reference: BlobReference | None


class PictureSource:
    """Loads pictures and puts those into the blob store that are not there yet."""

    def __init__(self, blobs: BlobStore, fetcher: PictureFetcher, max_bytes: int) -> None:
        self._blobs = blobs
        self._fetcher = fetcher
        self._max_bytes = max_bytes

    async def load(self, image: ImageSource) -> SourcePicture:
        """The bytes that `image` stands for.

        Raises `NotFoundError` or `CorruptDataError` for a claim check that does not hold, `FetchRefusedError` or
        `FetchFailedError` for a URL, `InvalidPictureError` for bad base64, `TooLargeError` over the size limit.
        """
        if image.blob is not None:
            self._check_size(image.blob.bytes)
            data = await load_picture(self._blobs, image.blob)
            belongs = image.blob.blob == picture_key(image.blob.sha256)
            return SourcePicture(data, image.filename, image.blob if belongs else None)
        if image.url is not None:
            fetched = await self._fetcher.fetch(image.url)
            return SourcePicture(fetched.data, image.filename or _filename_of(image.url), None)
        assert image.data is not None, "an image source has one of blob, url and data"
        # Four characters of base64 carry three bytes.
        self._check_size(len(image.data) * 3 // 4)
        return SourcePicture(_decoded(image.data), image.filename, None)

    async def keep(self, picture: SourcePicture, *, media_type: str, width: int, height: int) -> BlobReference:
        """The claim check of a picture that was found good, stored if it was not. Raises `UnavailableError`."""
        if picture.reference is not None:
            return picture.reference
        return await store_picture(self._blobs, picture.data, media_type=media_type, width=width, height=height)

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise TooLargeError(f"a picture may have {self._max_bytes:,} bytes, this one has {size:,}")


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidPictureError(f"image.data is not base64: {error}") from None


def _filename_of(url: str) -> str:
    return unquote(PurePosixPath(urlsplit(url).path).name)[:_SHOWN_FILENAME_CHARACTERS]
