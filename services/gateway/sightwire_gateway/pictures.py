"""Pictures on their way in: from an upload, base64 or a URL, checked by decoding, into the blob store by content."""

import asyncio
import base64
import binascii
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from sightwire.blobs import BlobStore
from sightwire.blobs.pictures import picture_key
from sightwire.contracts.events import BlobReference
from sightwire.errors import FetchRefusedError, InvalidPictureError, NotFoundError, TooLargeError
from sightwire.security.fetch import PictureFetcher
from sightwire_gateway import metrics
from sightwire_gateway.picture_decoding import PictureFacts, inspect_picture

_REMEMBERED_PICTURES: Final = 4096


class PictureDesk:
    """Checks and stores pictures, and finds those that were stored before.

    Args:
        blobs: where pictures are kept.
        fetcher: for pictures given by URL.
        threads: decodes outside the event loop.
        max_bytes: of a file.
        max_pixels: of a decoded picture.
    """

    def __init__(
        self, blobs: BlobStore, fetcher: PictureFetcher, threads: ThreadPoolExecutor, *, max_bytes: int, max_pixels: int
    ) -> None:
        self._blobs = blobs
        self._fetcher = fetcher
        self._threads = threads
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._remembered: OrderedDict[str, BlobReference] = OrderedDict()

    async def check(self, data: bytes) -> PictureFacts:
        """Decodes a picture.

        Raises:
            InvalidPictureError, TooLargeError: it is none, broken, or too large.
        """
        if len(data) > self._max_bytes:
            raise TooLargeError(f"a picture may have {self._max_bytes} bytes, got {len(data)}")
        inspect = partial(inspect_picture, data, max_pixels=self._max_pixels)
        return await asyncio.get_running_loop().run_in_executor(self._threads, inspect)

    async def store(self, data: bytes) -> BlobReference:
        """Checks a picture, then stores it.

        Raises:
            InvalidPictureError, TooLargeError: as `check`; nothing is stored then.
        """
        facts = await self.check(data)
        reference = _reference(facts, len(data))
        # The same picture may come often; it is stored once.
        if await self._blobs.size(reference.blob) != len(data):
            await self._blobs.put(reference.blob, data)
        self._remember(reference)
        return reference

    async def stored(self, sha256: str) -> BlobReference:
        """The reference of a picture that was uploaded before.

        Raises:
            NotFoundError: there is none with this content.
        """
        remembered = self._remembered.get(sha256)
        if remembered is not None:
            return remembered
        try:
            data = await self._blobs.get(picture_key(sha256))
        except NotFoundError:
            raise NotFoundError(
                f"no picture with sha256 {sha256} was uploaded; POST its bytes to /v1/collections/{{collection}}/images"
            ) from None
        reference = _reference(await self.check(data), len(data))
        self._remember(reference)
        return reference

    async def fetch(self, url: str) -> bytes:
        """The bytes at a URL that a user gave; not checked yet.

        Raises:
            FetchRefusedError, TooLargeError: see `PictureFetcher.fetch`.
        """
        try:
            picture = await self._fetcher.fetch(url)
        except (FetchRefusedError, TooLargeError) as error:
            metrics.FETCHES.labels(error.code).inc()
            raise
        metrics.FETCHES.labels("fetched").inc()
        return picture.data

    def _remember(self, reference: BlobReference) -> None:
        self._remembered[reference.sha256] = reference
        self._remembered.move_to_end(reference.sha256)
        while len(self._remembered) > _REMEMBERED_PICTURES:
            self._remembered.popitem(last=False)


def _reference(facts: PictureFacts, size: int) -> BlobReference:
    return BlobReference(
        blob=picture_key(facts.sha256),
        sha256=facts.sha256,
        media_type=facts.media_type,
        bytes=size,
        width=facts.width,
        height=facts.height,
    )


def picture_from_base64(text: str, *, max_bytes: int) -> bytes:
    """The bytes of a picture in base64; a `data:` URL is taken too.

    Raises:
        InvalidPictureError: not base64.
        TooLargeError: more than `max_bytes`.
    """
    if text.startswith("data:"):
        _, separator, text = text.partition(";base64,")
        if not separator:
            raise InvalidPictureError("a data: URL of a picture must be in base64 (data:image/jpeg;base64,…)")
    if len(text) > (max_bytes + 2) // 3 * 4:
        raise TooLargeError(f"a picture may have {max_bytes} bytes, got about {len(text) * 3 // 4}")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidPictureError(f"the picture's 'data' is not base64: {error}") from None
