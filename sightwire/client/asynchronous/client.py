"""The client whose methods are coroutines; the same as the blocking one otherwise."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx
from pydantic import BaseModel

from sightwire.client import calls
from sightwire.client.asynchronous.alerts import Alerts
from sightwire.client.asynchronous.backups import Backups
from sightwire.client.asynchronous.collections import Collections
from sightwire.client.asynchronous.index import Index
from sightwire.client.asynchronous.items import Items
from sightwire.client.asynchronous.migrations import Migrations
from sightwire.client.asynchronous.models import Models
from sightwire.client.asynchronous.operations import Operations
from sightwire.client.asynchronous.pipelines import Pipelines
from sightwire.client.asynchronous.reviewers import Reviewers
from sightwire.client.asynchronous.reviews import Reviews
from sightwire.client.asynchronous.runs import Runs
from sightwire.client.asynchronous.schedules import Schedules
from sightwire.client.asynchronous.training import Training
from sightwire.client.calls import Call, EventReader, Picture, PictureSource, VectorSource
from sightwire.client.connection import DEFAULT_TIMEOUT, EVENTS_TIMEOUT, client_options, default_url
from sightwire.client.models import Predictions, SearchResults
from sightwire.client.problems import ApiError, connection_failed, raise_for_problem
from sightwire.client.retries import delay_before_retry
from sightwire.contracts.diagnosis import PlatformDiagnosis
from sightwire.contracts.execution_metrics import ControlPlaneHealth

Result = TypeVar("Result")
Told = TypeVar("Told", bound=BaseModel)


class AsyncSightwire:
    """A platform at `url` (default: `SIGHTWIRE_URL`, else http://127.0.0.1:8200).

    Every method raises ApiError when the platform refuses, and ConnectionFailedError when it does not answer.
    `on_request` is awaited with each request before it is sent, such as to add headers.

    Example::

        async with AsyncSightwire() as sightwire:
            results = await sightwire.search("demo", text="red rocket", k=3)
            print([hit.id for hit in results.hits])
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        on_request: Callable[[httpx.Request], Awaitable[None]] | None = None,
    ) -> None:
        self.url = (url or default_url()).rstrip("/")
        self._timeout = timeout
        hooks = {"request": [on_request] if on_request is not None else []}
        self._http = httpx.AsyncClient(**client_options(self.url, api_key, timeout), event_hooks=hooks)
        self.collections = Collections(self)
        self.items = Items(self)
        self.index = Index(self)
        self.operations = Operations(self)
        self.schedules = Schedules(self)
        self.backups = Backups(self)
        self.training = Training(self)
        self.pipelines = Pipelines(self)
        self.runs = Runs(self)
        self.models = Models(self)
        self.migrations = Migrations(self)
        self.reviews = Reviews(self)
        self.reviewers = Reviewers(self)
        self.alerts = Alerts(self)

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

    async def tell_click(self, collection: str, query_id: str, item: str, rank: int) -> None:
        """Tell that a result was chosen, the `rank`-th from 1, which compares models while two of them answer.

        Example::

            await sightwire.tell_click("demo", results.query_id, results.hits[0].id, rank=1)
        """
        await self.send(calls.tell_click(collection, query_id, item, rank))

    async def predict(
        self,
        query: Sequence[str],
        product_descriptions: Sequence[str],
        *,
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> Predictions:
        """For each query the descriptions ranked by cosine similarity, as the embedders' default model sees it.

        Example::

            await sightwire.predict(["red shoes"], ["Sneakers in red", "A garden hose"], top_k=1)
        """
        return await self.send(calls.predict(query, product_descriptions, threshold=threshold, top_k=top_k))

    async def status(self) -> dict[str, Any]:
        """The platform's services and versions."""
        return await self.send(calls.platform_status())

    async def health(self) -> ControlPlaneHealth:
        """How each pipeline, each model, the cache of results and the reviewers are."""
        return await self.send(calls.control_plane_health())

    async def diagnose(self) -> PlatformDiagnosis:
        """What the doctor finds about the platform and each collection."""
        return await self.send(calls.diagnosis())

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

    async def events(self, path: str, events: EventReader[Told]) -> AsyncIterator[Told]:
        """What a stream of server-sent events tells, until it ends."""
        try:
            async with self._http.stream("GET", path, timeout=EVENTS_TIMEOUT) as response:
                if response.is_error:
                    await response.aread()
                raise_for_problem(response)
                async for line in response.aiter_lines():
                    told = events.feed(line)
                    if told is not None:
                        yield told
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
