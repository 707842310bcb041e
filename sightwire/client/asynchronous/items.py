"""`sightwire.items`: put, get, list, delete, and how far they have come."""

import asyncio
import time as clock
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.client.calls import EventReader, Picture, PictureSource, VectorSource
from sightwire.client.models import BatchResult, ItemPage, ItemStatus, UploadedPicture
from sightwire.client.problems import ConnectionFailedError

if TYPE_CHECKING:
    from sightwire.client.asynchronous.client import AsyncSightwire


class Items:
    """`sightwire.items`."""

    def __init__(self, sightwire: "AsyncSightwire") -> None:
        self._sightwire = sightwire
        self._send = sightwire.send

    async def put(
        self,
        collection: str,
        *,
        id: str | None = None,
        image: PictureSource | Picture | None = None,
        text: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        time: datetime | str | None = None,
        vectors: Mapping[str, VectorSource] | None = None,
        wait: bool = False,
        timeout: float = 30.0,  # noqa: ASYNC109  the server waits, not this coroutine
    ) -> ItemStatus:
        """Put a whole item, replacing what had its id; with `wait`, return once it is searchable or has failed.

        Example::

            await sightwire.items.put("demo", id="cat-1", image=Path("cat.jpg"), tags=["cat"], wait=True)
        """
        return await self._send(
            calls.put_item(
                collection,
                id=id,
                image=image,
                text=text,
                tags=tags,
                metadata=metadata,
                time=time,
                vectors=vectors,
                wait=wait,
                timeout=timeout,
            )
        )

    async def put_many(self, collection: str, items: Sequence[Mapping[str, Any]]) -> BatchResult:
        """Put many items (see `sightwire.client.calls.item_body`), each accepted or refused on its own.

        `vectors` may hold NumPy arrays as well; a mebibyte of vectors or so makes a good batch.

        Example::

            rows = [{"id": str(n), "vectors": {"embedding": vector}} for n, vector in enumerate(matrix)]
            await sightwire.items.put_many("papers", rows)
        """
        return await self._send(calls.put_items(collection, items))

    async def upload(self, collection: str, picture: Picture | Path) -> UploadedPicture:
        """Store a picture's bytes, for items to refer to by {"image": {"blob": sha256}}."""
        return await self._send(calls.upload_picture(collection, picture))

    async def get(self, collection: str, item_id: str) -> dict[str, Any]:
        """The stored item."""
        return await self._send(calls.get_item(collection, item_id))

    async def picture(self, collection: str, item_id: str) -> bytes:
        """The file of an item's picture, as it was uploaded."""
        return await self._send(calls.get_picture(collection, item_id))

    async def list(
        self,
        collection: str,
        *,
        limit: int = 100,
        cursor: str | None = None,
        filter: Mapping[str, Any] | None = None,
    ) -> ItemPage:
        """One page of a collection's items."""
        return await self._send(calls.list_items(collection, limit=limit, cursor=cursor, filter=filter))

    async def delete(self, collection: str, item_id: str, *, wait: bool = False, timeout: float = 30.0) -> ItemStatus:  # noqa: ASYNC109
        """Delete an item; with `wait`, return once it is not found any more."""
        return await self._send(calls.delete_item(collection, item_id, wait=wait, timeout=timeout))

    async def status(self, collection: str, item_id: str) -> ItemStatus:
        """How far an item has come."""
        return await self._send(calls.get_status(collection, item_id))

    def watch(self, collection: str, item_id: str) -> AsyncIterator[ItemStatus]:
        """The item's status, and each change of it, until it is final."""
        return self._sightwire.events(calls.status_events_path(collection, item_id), EventReader("status", ItemStatus))

    async def wait(self, collection: str, item_id: str, *, timeout: float = 30.0) -> ItemStatus:  # noqa: ASYNC109
        """The final status of an item. Raises ConnectionFailedError when it is not final within `timeout` seconds."""
        give_up_at = clock.monotonic() + timeout
        delay = 0.02
        while not (status := await self.status(collection, item_id)).is_final:
            if clock.monotonic() >= give_up_at:
                raise ConnectionFailedError(
                    f"item {item_id!r} is still {status.state} after {timeout:g} s; wait longer"
                )
            await asyncio.sleep(delay)
            delay = min(delay * 1.5, 0.5)
        return status
