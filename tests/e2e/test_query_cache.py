"""Answers from the cache while the collection changes: what was called searchable is found, what was deleted is not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from sightwire.client import AsyncSightwire
from sightwire.platform.ports import find_free_port
from sightwire.platform.running_platform import PlatformOptions, RunningPlatform, run_platform

pytestmark = pytest.mark.timeout(300)

WRITERS, ITEMS_EACH, READERS, MOST = 4, 25, 4, 500


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningPlatform]:
    options = PlatformOptions(tmp_path_factory.mktemp("cached"), port=find_free_port(), searchers=2)
    async with run_platform(options) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def client(platform: RunningPlatform) -> AsyncIterator[AsyncSightwire]:
    async with AsyncSightwire(platform.gateway_url) as client:
        yield client


async def test_an_item_that_was_called_searchable_is_always_found(
    platform: RunningPlatform, client: AsyncSightwire, unique_name: Callable[..., str]
) -> None:
    collection = unique_name()
    await client.collections.create(collection, fields={"place": {"source": "user", "dimension": 2}})
    is_over = asyncio.Event()
    seen = 0

    async def found() -> tuple[set[str], int | None]:
        """The same question each time."""
        answer = await client.search(collection, vector=("place", [1.0, 0.0]), k=MOST)
        return {hit.id for hit in answer.hits}, answer.manifest_version

    async def write(writer: int) -> None:
        for number in range(ITEMS_EACH):
            id_ = f"{writer}-{number}"
            await client.items.put(collection, id=id_, vectors={"place": [1.0, 0.01 * number]}, wait=True)
            ids, version = await found()
            assert id_ in ids, f"{id_} was searchable, and not found in version {version}"
            if number % 5 == 4:
                await client.items.delete(collection, id_, wait=True)
                ids, version = await found()
                assert id_ not in ids, f"{id_} was deleted, and found in version {version}"

    async def read() -> None:
        nonlocal seen
        while not is_over.is_set():
            await found()
            seen += 1

    reading = [asyncio.create_task(read()) for _ in range(READERS)]
    try:
        await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    finally:
        is_over.set()
    await asyncio.gather(*reading)
    accounting = await _accounting(platform)
    assert accounting["consistent"]
    assert accounting["lookups"] == accounting["hits"] + accounting["misses"]
    answers = accounting["caches"]["query-answers"]
    assert answers["lookups"] >= seen
    assert answers["hits"] > answers["lookups"] // 4, "or nothing was tested"


async def _accounting(platform: RunningPlatform) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=platform.gateway_url) as http:
        accounting: dict[str, Any] = (await http.get("/metrics/cache_accounting")).json()
        return accounting
