"""The client whose methods are coroutines; the same as the blocking one otherwise."""

import asyncio
import time as clock
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx

from sightwire.client import calls
from sightwire.client.calls import Call, Picture, PictureSource, VectorSource
from sightwire.client.connection import DEFAULT_TIMEOUT, EVENTS_TIMEOUT, client_options, default_url
from sightwire.client.models import (
    BatchResult,
    Collection,
    CollectionSummary,
    ItemPage,
    ItemStatus,
    SearchResults,
    UploadedPicture,
)
from sightwire.client.problems import ApiError, ConnectionFailedError, connection_failed, raise_for_problem
from sightwire.client.retries import delay_before_retry

Result = TypeVar("Result")


class AsyncSightwire:
    """A platform at `url` (default: `SIGHTWIRE_URL`, else http://127.0.0.1:8200).

    Every method raises ApiError when the platform refuses, and ConnectionFailedError when it does not answer.

    Example::

        async with AsyncSightwire() as sightwire:
            results = await sightwire.search("demo", text="red rocket", k=3)
            print([hit.id for hit in results.hits])
    """

    def __init__(self, url: str | None = None, *, api_key: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.url = (url or default_url()).rstrip("/")
        self._timeout = timeout
        self._http = httpx.AsyncClient(**client_options(self.url, api_key, timeout))
        self.collections = Collections(self)
        self.items = Items(self)

    async def search(
        self,
        collection: str,
        *,
        text: str | None = None,
        image: PictureSource | Picture | None = None,
        vector: tuple[str, VectorSource] | None = None,
        item: str | None = None,
        full_text: str | Mapping[str, Any] | None = None,
        hybrid: bool = False,
        fields: Sequence[str] | None = None,
        fusion: Literal["mean", "rrf", "weighted"] | None = None,
        weights: Mapping[str, float] | None = None,
        target: Literal["items", "objects"] = "items",
        filter: Mapping[str, Any] | None = None,
        sort: Sequence[str | Mapping[str, Any]] | None = None,
        group_by: str | Mapping[str, Any] | None = None,
        facets: Sequence[str | Mapping[str, Any]] | None = None,
        k: int = 10,
        cursor: str | None = None,
        explain: bool = False,
        ef_search: int | None = None,
    ) -> SearchResults:
        """The `k` best items for a text, a picture, a vector `(field, numbers)`, an item of the collection, or words.

        `full_text` are words, or a mapping with `query`, `parts`, `require_all`, `weight` and `highlight`; `hybrid`
        takes the words from `text`. Without a query to rank by, `sort` orders what passes the filter and has the words.

        Example::

            await sightwire.search("demo", text="boat", filter={"tags_any": ["transport"]})
            await sightwire.search("demo", image=Path("boat.jpg"), target="objects")
            await sightwire.search("demo", text="a red boat", hybrid=True, facets=["_tags"])
            await sightwire.search("shop", full_text='"red shoe" -kids', sort=["-price"], group_by="brand")
        """
        return await self.send(
            calls.search(
                collection,
                text=text,
                image=image,
                vector=vector,
                item=item,
                full_text=full_text,
                hybrid=hybrid,
                fields=fields,
                fusion=fusion,
                weights=weights,
                target=target,
                filter=filter,
                sort=sort,
                group_by=group_by,
                facets=facets,
                k=k,
                cursor=cursor,
                explain=explain,
                ef_search=ef_search,
            )
        )

    async def status(self) -> dict[str, Any]:
        """The platform's services and versions."""
        return await self.send(calls.platform_status())

    async def send(self, call: Call[Result]) -> Result:
        """Carry out one call of `sightwire.client.calls`."""
        picture = call.picture
        if isinstance(picture, Path):
            picture = Picture(await asyncio.to_thread(picture.read_bytes), picture.name)
        attempt = 1
        while True:
            try:
                response = await self._http.request(
                    call.method,
                    call.path,
                    params=call.params,
                    timeout=self._timeout + call.extra_seconds,
                    **call.content(picture),
                )
                raise_for_problem(response)
                return call.read(response.content)
            except (ApiError, httpx.TransportError) as problem:
                error = problem if isinstance(problem, ApiError) else connection_failed(self.url, problem)
                delay = delay_before_retry(error, attempt, repeatable=call.repeatable)
                if delay is None:
                    raise error from None
            attempt += 1
            await asyncio.sleep(delay)

    async def status_events(self, collection: str, item_id: str) -> AsyncIterator[ItemStatus]:
        """The item's status, and each change of it, until it is final."""
        path = calls.status_events_path(collection, item_id)
        events = calls.StatusEventReader()
        try:
            async with self._http.stream("GET", path, timeout=EVENTS_TIMEOUT) as response:
                if response.is_error:
                    await response.aread()
                raise_for_problem(response)
                async for line in response.aiter_lines():
                    status = events.feed(line)
                    if status is not None:
                        yield status
        except httpx.TransportError as error:
            raise connection_failed(self.url, error) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Collections:
    """`sightwire.collections`."""

    def __init__(self, sightwire: AsyncSightwire) -> None:
        self._send = sightwire.send

    async def create(self, name: str, **options: Any) -> Collection:
        """Create a collection; `options` are those of `CollectionSpec` (description, fields, metadata, index, …).

        Example::

            await sightwire.collections.create("shop", metadata={"price": {"type": "float"}})
        """
        return await self._send(calls.create_collection(name, options))

    async def list(self) -> list[CollectionSummary]:
        """All collections."""
        return await self._send(calls.list_collections())

    async def get(self, name: str) -> Collection:
        """One collection, with its size."""
        return await self._send(calls.get_collection(name))

    async def delete(self, name: str) -> None:
        """Delete a collection and everything in it."""
        await self._send(calls.delete_collection(name))


class Items:
    """`sightwire.items`."""

    def __init__(self, sightwire: AsyncSightwire) -> None:
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
        return self._sightwire.status_events(collection, item_id)

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
