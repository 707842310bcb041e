"""Thumbnails: made once for each picture and size, kept in the blob store, so many at a time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from sightwire.blobs import BlobStore
from sightwire.blobs.pictures import picture_key, thumbnail_key
from sightwire.errors import NotFoundError
from sightwire_gateway.picture_decoding import make_thumbnail

#: Longer sides in pixels. A few sizes only, so that nobody fills the store with thousands of each picture.
SIZES: Final = (64, 128, 256, 512, 1024)


def nearest_size(wanted: int) -> int:
    """The smallest of `SIZES` that is at least `wanted`, else the largest."""
    return next((size for size in SIZES if size >= wanted), SIZES[-1])


class Thumbnails:
    """Makes and keeps thumbnails."""

    def __init__(self, blobs: BlobStore, threads: ThreadPoolExecutor, *, max_pixels: int) -> None:
        self._blobs = blobs
        self._threads = threads
        self._max_pixels = max_pixels
        self._under_way: dict[str, asyncio.Task[bytes]] = {}

    async def get(self, sha256: str, size: int) -> bytes:
        """The thumbnail of a stored picture as WebP; `size` is one of `SIZES`.

        Raises:
            NotFoundError: the picture is not stored.
        """
        key = thumbnail_key(sha256, size)
        try:
            return await self._blobs.get(key)
        except NotFoundError:
            pass
        # Whoever asks for the same one meanwhile waits for the same work.
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._make(sha256, size, key), name="thumbnail")
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _make(self, sha256: str, size: int, key: str) -> bytes:
        picture = await self._blobs.get(picture_key(sha256))
        make = partial(make_thumbnail, picture, size=size, max_pixels=self._max_pixels)
        thumbnail = await asyncio.get_running_loop().run_in_executor(self._threads, make)
        await self._blobs.put(key, thumbnail)
        return thumbnail
