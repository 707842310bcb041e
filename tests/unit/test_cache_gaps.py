"""What is computed elsewhere and brought in later, what is not to be kept, and several caches together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from sightwire.cache.accounting import summed
from sightwire.cache.filling import Gap, NotKept
from sightwire.cache.keys import key_of
from sightwire.cache.levels import Entry, MultiLevelCache
from sightwire.cache.options import CacheOptions
from sightwire.errors import InvalidInputError
from tests.plugin.cache_server import CacheServer

KEY = key_of("k")
OpenCache = Callable[[], AbstractAsyncContextManager[MultiLevelCache]]


@pytest.fixture(params=[False, True], ids=["memory", "server"])
def open_cache(request: pytest.FixtureRequest, unique_name: Callable[..., str]) -> OpenCache:
    """Opens caches of one namespace."""
    url = request.getfixturevalue("cache_server").url if request.param else None
    namespace = unique_name()

    @asynccontextmanager
    async def opened() -> AsyncIterator[MultiLevelCache]:
        async with MultiLevelCache(CacheOptions(namespace, timeout_seconds=10.0), url) as cache:
            yield cache

    return opened


async def gap_of(cache: MultiLevelCache, *tags: str) -> Gap:
    found = await cache.look_up(KEY, tags=tags)
    assert isinstance(found, Gap)
    return found


async def test_a_gap_is_filled_by_what_came_since(open_cache: OpenCache) -> None:
    async with open_cache() as cache:
        await cache.fill(await gap_of(cache, "a"), {"value": 1}, ttl_seconds=60)
        assert await cache.look_up(KEY) == Entry({"value": 1})
        await cache.delete_by_tags("a")
        await gap_of(cache)
        accounting = await cache.accounting()
    assert (accounting.hits, accounting.misses, accounting.sets, accounting.consistent) == (1, 2, 1, True)


@pytest.mark.parametrize("everything", [False, True])
async def test_what_began_before_a_deletion_fills_nothing(open_cache: OpenCache, everything: bool) -> None:
    async with open_cache() as cache:
        gap = await gap_of(cache, "a", "b")
        await (cache.clear() if everything else cache.delete_by_tags("b"))
        await cache.fill(gap, "old")
        await cache.fill(await gap_of(cache, "a", "b"), "new")
        assert await cache.look_up(KEY) == Entry("new")


async def test_a_deletion_in_another_process_counts_as_well(
    cache_server: CacheServer, unique_name: Callable[..., str]
) -> None:
    options = CacheOptions(unique_name(), timeout_seconds=10.0)
    async with MultiLevelCache(options, cache_server.url) as one, MultiLevelCache(options, cache_server.url) as other:
        gap = await gap_of(one, "a")
        await other.delete_by_tags("a")
        await one.fill(gap, "old")
        await gap_of(one)
        await gap_of(other)


async def test_a_value_that_cannot_be_written_is_refused(open_cache: OpenCache) -> None:
    async with open_cache() as cache:
        with pytest.raises(InvalidInputError, match="cannot be cached"):
            await cache.fill(await gap_of(cache), object())


async def test_what_is_not_to_be_kept_reaches_all_who_wait_and_nobody_later(open_cache: OpenCache) -> None:
    calls = 0
    may_end = asyncio.Event()
    value = object()

    async def compute() -> NotKept:
        nonlocal calls
        calls += 1
        await may_end.wait()
        return NotKept(value)

    async with open_cache() as cache:
        asking = [asyncio.create_task(cache.get_or_compute(KEY, compute)) for _ in range(3)]
        while not calls:  # noqa: ASYNC110  it begins by itself
            await asyncio.sleep(0)
        may_end.set()
        assert await asyncio.gather(*asking) == [value] * 3
        assert calls == 1
        await gap_of(cache)


async def test_several_caches_are_counted_together() -> None:
    async with MultiLevelCache(CacheOptions("one")) as one, MultiLevelCache(CacheOptions("other")) as other:
        await one.set(KEY, 1)
        await one.get(KEY)
        await other.get(KEY)
        total = summed({"one": await one.accounting(), "other": await other.accounting()})
    assert (total.lookups, total.hits, total.misses, total.sets, total.size) == (2, 1, 1, 1, 1)
    assert (total.hit_rate, total.consistent, total.counted) == (0.5, True, "process")
    assert total.caches["one"].hits == 1


def test_no_cache_is_counted_as_nothing() -> None:
    total = summed({})
    assert (total.lookups, total.hit_rate, total.consistent) == (0, 0.0, True)
