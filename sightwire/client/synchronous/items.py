"""`sightwire.items`: put, get, list, delete, and how far they have come."""

import time as clock
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.client.calls import EventReader, Picture, PictureSource, VectorSource
from sightwire.client.models import BatchResult, ItemPage, ItemStatus, UploadedPicture
from sightwire.client.problems import ConnectionFailedError

if TYPE_CHECKING:
    from sightwire.client.synchronous.client import Sightwire


class Items:
    """`sightwire.items`."""

    def __init__(self, sightwire: "Sightwire") -> None:
        self._sightwire = sightwire
        self._send = sightwire.send

    def put(
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
        timeout: float = 30.0,
    ) -> ItemStatus:
        """Put a whole item, replacing what had its id; with `wait`, return once it is searchable or has failed.

        Example::

            sightwire.items.put("demo", id="cat-1", image=Path("cat.jpg"), tags=["cat"], wait=True)
        """
        return self._send(
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

    def put_many(self, collection: str, items: Sequence[Mapping[str, Any]]) -> BatchResult:
        """Put many items (see `sightwire.client.calls.item_body`), each accepted or refused on its own.

        `vectors` may hold NumPy arrays as well; a mebibyte of vectors or so makes a good batch.

        Example::

            rows = [{"id": str(n), "vectors": {"embedding": vector}} for n, vector in enumerate(matrix)]
            sightwire.items.put_many("papers", rows)
        """
        return self._send(calls.put_items(collection, items))

    def upload(self, collection: str, picture: Picture | Path) -> UploadedPicture:
        """Store a picture's bytes, for items to refer to by {"image": {"blob": sha256}}."""
        return self._send(calls.upload_picture(collection, picture))

    def get(self, collection: str, item_id: str) -> dict[str, Any]:
        """The stored item."""
        return self._send(calls.get_item(collection, item_id))

    def picture(self, collection: str, item_id: str) -> bytes:
        """The file of an item's picture, as it was uploaded."""
        return self._send(calls.get_picture(collection, item_id))

    def list(
        self,
        collection: str,
        *,
        limit: int = 100,
        cursor: str | None = None,
        filter: Mapping[str, Any] | None = None,
    ) -> ItemPage:
        """One page of a collection's items."""
        return self._send(calls.list_items(collection, limit=limit, cursor=cursor, filter=filter))

    def delete(self, collection: str, item_id: str, *, wait: bool = False, timeout: float = 30.0) -> ItemStatus:
        """Delete an item; with `wait`, return once it is not found any more."""
        return self._send(calls.delete_item(collection, item_id, wait=wait, timeout=timeout))

    def status(self, collection: str, item_id: str) -> ItemStatus:
        """How far an item has come."""
        return self._send(calls.get_status(collection, item_id))

    def watch(self, collection: str, item_id: str) -> Iterator[ItemStatus]:
        """The item's status, and each change of it, until it is final."""
        return self._sightwire.events(calls.status_events_path(collection, item_id), EventReader("status", ItemStatus))

    def wait(self, collection: str, item_id: str, *, timeout: float = 30.0) -> ItemStatus:
        """The final status of an item. Raises ConnectionFailedError when it is not final within `timeout` seconds."""
        give_up_at = clock.monotonic() + timeout
        delay = 0.02
        while not (status := self.status(collection, item_id)).is_final:
            if clock.monotonic() >= give_up_at:
                raise ConnectionFailedError(
                    f"item {item_id!r} is still {status.state} after {timeout:g} s; wait longer"
                )
            clock.sleep(delay)
            delay = min(delay * 1.5, 0.5)
        return status
