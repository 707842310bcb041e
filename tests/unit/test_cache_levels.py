"""The cache over a real server: what callers, other processes and a dying server see."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from sightwire.cache.keys import key_of
from sightwire.cache.levels import MultiLevelCache
from sightwire.cache.metrics import CacheMetrics
from sightwire.cache.options import CacheOptions
from sightwire.cache.settings import CacheSettings
from sightwire.errors import ConfigurationError, InvalidInputError
from sightwire.platform.ports import find_free_port
from tests.plugin.cache_server import CacheServer
from tests.plugin.waiting import Eventually

UniqueName = Callable[..., str]
KEY = key_of("k")


class Source:
    """What a cache stands before: gives its present value, and counts how often it was asked."""

    def __init__(self, value: Any = "v1") -> None:
        self.value = value
        self.calls = 0
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> Any:
        self.calls += 1
        value = self.value
        self.started.set()
        await self.may_end.wait()
        return value


@asynccontextmanager
async def opened(count: int, url: str | None, namespace: str, **options: Any) -> AsyncIterator[list[MultiLevelCache]]:
    """`count` caches of one namespace, as so many processes would have them; patient ones, for a busy machine."""
    options.setdefault("timeout_seconds", 10.0)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(MultiLevelCache(CacheOptions(namespace, **options), url))
            for _ in range(count)
        ]


async def test_without_a_server_memory_alone_answers() -> None:
    source = Source({"score": 0.5, "boxes": (1, 2)})
    async with MultiLevelCache(CacheOptions("alone")) as cache:
        assert cache.health == "disabled"
        first = await cache.get_or_compute(KEY, source, tags=["a"])
        first["boxes"].append(3)
        assert await cache.get_or_compute(KEY, source) == {"score": 0.5, "boxes": [1, 2]}
        assert await cache.get(KEY) == {"score": 0.5, "boxes": [1, 2]}
        await cache.delete_by_tags("a")
        assert await cache.get(KEY, "gone") == "gone"
        accounting = await cache.accounting()
    assert source.calls == 1
    assert (accounting.lookups, accounting.hits, accounting.misses, accounting.sets) == (4, 2, 2, 1)
    assert accounting.consistent
    assert accounting.counted == "process"


async def test_none_is_a_value() -> None:
    source = Source(None)
    async with MultiLevelCache(CacheOptions("none")) as cache:
        assert await cache.get_or_compute(KEY, source) is None
        assert await cache.get_or_compute(KEY, source) is None
        assert await cache.get(KEY, "default") is None
    assert source.calls == 1


async def test_processes_share_values_of_any_settings(cache_server: CacheServer, unique_name: UniqueName) -> None:
    namespace = unique_name()
    value = {"text": "sea " * 1000, "numbers": [1, 2.5, None]}
    async with (
        MultiLevelCache(
            CacheOptions(namespace, value_format="json", compression="gzip", timeout_seconds=10.0), cache_server.url
        ) as one,
        MultiLevelCache(CacheOptions(namespace, compression="none", timeout_seconds=10.0), cache_server.url) as other,
    ):
        assert one.health == other.health == "healthy"
        await one.set(KEY, value)
        assert await other.get(KEY) == value
        assert await other.get_or_compute(KEY, Source()) == value
        accounting = await other.accounting()
    assert accounting.shared is not None
    assert (accounting.shared.hits, accounting.memory.hits, accounting.sets) == (1, 1, 1)


async def test_large_values_go_through_threads(cache_server: CacheServer, unique_name: UniqueName) -> None:
    value = os.urandom(300_000) * 2
    async with opened(2, cache_server.url, unique_name()) as (one, other):
        await one.set(KEY, value)
        assert await other.get(KEY) == value


async def test_what_is_replaced_here_is_not_found_there(
    cache_server: CacheServer, unique_name: UniqueName, eventually: Eventually
) -> None:
    async with opened(2, cache_server.url, unique_name()) as (one, other):
        await one.set(KEY, "old")
        assert await other.get(KEY) == "old"
        await one.set(KEY, "new")

        async def other_has_the_new() -> bool:
            return bool(await other.get(KEY) == "new")

        await eventually(other_has_the_new)
        assert await one.get(KEY) == "new"
        await other.delete(KEY)
        assert await other.get(KEY) is None

        async def one_has_none() -> bool:
            return await one.get(KEY) is None

        await eventually(one_has_none)


@pytest.mark.parametrize("everything", [False, True])
async def test_deleted_tags_leave_every_process(
    cache_server: CacheServer, unique_name: UniqueName, eventually: Eventually, everything: bool
) -> None:
    keys = [key_of(number) for number in range(20)]
    async with opened(3, cache_server.url, unique_name()) as caches:
        for number, key in enumerate(keys):
            await caches[0].set(key, number, tags=[f"number:{number}", "even" if number % 2 == 0 else "odd"])
        for cache in caches:
            assert [await cache.get(key) for key in keys] == list(range(20))
        await (caches[1].clear() if everything else caches[1].delete_by_tags("even", "number:3"))
        stays = [number for number in range(20) if number % 2 and number != 3 and not everything]
        assert [value for key in keys if (value := await caches[1].get(key)) is not None] == stays

        async def all_agree() -> bool:
            found = [[value for key in keys if (value := await cache.get(key)) is not None] for cache in caches]
            return found == [stays] * 3

        await eventually(all_agree)


async def test_a_value_computed_before_its_tag_was_deleted_is_kept_nowhere(
    cache_server: CacheServer, unique_name: UniqueName
) -> None:
    source = Source("old")
    source.may_end.clear()
    async with opened(2, cache_server.url, unique_name()) as (one, other):
        computing = asyncio.create_task(one.get_or_compute(KEY, source, tags=["t"]))
        await source.started.wait()
        await other.delete_by_tags("t")
        source.may_end.set()
        assert await computing == "old"
        source.value = "new"
        assert await one.get_or_compute(KEY, source, tags=["t"]) == "new"
        assert await other.get_or_compute(KEY, source, tags=["t"]) == "new"
    assert source.calls == 2


@pytest.mark.parametrize("by_tag", [False, True])
async def test_memory_does_not_keep_what_was_computed_before_a_deletion(by_tag: bool) -> None:
    source = Source("old")
    source.may_end.clear()
    async with MultiLevelCache(CacheOptions("memory")) as cache:
        computing = asyncio.create_task(cache.get_or_compute(KEY, source, tags=["t"]))
        await source.started.wait()
        await (cache.delete_by_tags("t") if by_tag else cache.delete(KEY))
        source.may_end.set()
        assert await computing == "old"
        assert await cache.get(KEY) is None


async def test_who_asks_after_a_deletion_does_not_join_a_computation_from_before() -> None:
    source = Source("old")
    source.may_end.clear()
    async with MultiLevelCache(CacheOptions("join")) as cache:
        before = asyncio.create_task(cache.get_or_compute(KEY, source, tags=["t"]))
        await source.started.wait()
        await cache.delete_by_tags("t")
        source.value = "new"
        source.may_end.set()
        after = asyncio.create_task(cache.get_or_compute(KEY, source, tags=["t"]))
        assert (await before, await after) == ("old", "new")
        assert await cache.get(KEY) == "new"


async def test_processes_that_miss_together_compute_once(cache_server: CacheServer, unique_name: UniqueName) -> None:
    source = Source()
    source.may_end.clear()
    async with opened(4, cache_server.url, unique_name(), lock_seconds=60.0) as caches:
        asking = [asyncio.create_task(cache.get_or_compute(KEY, source)) for cache in caches for _ in range(25)]
        await source.started.wait()
        source.may_end.set()
        assert await asyncio.gather(*asking) == ["v1"] * 100
        accounting = [await cache.accounting() for cache in caches][-1]
    assert source.calls == 1
    assert (accounting.lookups, accounting.hits + accounting.misses, accounting.sets) == (100, 100, 1)
    assert accounting.collapsed == 96


async def test_a_process_that_waited_too_long_computes_by_itself(
    cache_server: CacheServer, unique_name: UniqueName
) -> None:
    hanging, source = Source(), Source("own")
    hanging.may_end.clear()
    async with opened(2, cache_server.url, unique_name(), lock_seconds=0.2) as (one, other):
        stuck = asyncio.create_task(one.get_or_compute(KEY, hanging))
        await hanging.started.wait()
        assert await other.get_or_compute(KEY, source) == "own"
        hanging.may_end.set()
        assert await stuck == "v1"


async def test_after_a_failed_computation_the_next_process_need_not_wait(
    cache_server: CacheServer, unique_name: UniqueName
) -> None:
    async def fail() -> None:
        raise LookupError("no such picture")

    async with opened(2, cache_server.url, unique_name(), lock_seconds=60.0) as (one, other):
        with pytest.raises(LookupError):
            await one.get_or_compute(KEY, fail)
        async with asyncio.timeout(10):
            assert await other.get_or_compute(KEY, Source()) == "v1"
        accounting = [await cache.accounting() for cache in (one, other)][-1]
    assert (accounting.lookups, accounting.misses) == (2, 2)


async def test_counts_are_exact_under_concurrent_load(cache_server: CacheServer, unique_name: UniqueName) -> None:
    caches_count, callers, lookups_each = 3, 20, 40
    keys = [key_of(number) for number in range(30)]
    async with opened(caches_count, cache_server.url, unique_name(), memory_bytes=12_000) as caches:

        async def load(cache: MultiLevelCache, seed: int) -> None:
            for step in range(lookups_each):
                number = (seed * 7 + step * step) % len(keys)
                if step % 4 == 0:
                    await cache.get(keys[number])
                else:
                    assert await cache.get_or_compute(keys[number], Source(number), tags=["all"]) == number
                if step == lookups_each // 2 and seed % 10 == 0:
                    await cache.delete_by_tags("all")

        async def watch() -> int:
            looks = 0
            while running:
                assert (await caches[0].accounting()).consistent
                looks += 1
            return looks

        running = True
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(load(cache, caller) for cache in caches for caller in range(callers)))
        running = False
        assert await watching > 0
        accounting = [await cache.accounting() for cache in caches][-1]
    total = caches_count * callers * lookups_each
    assert accounting.shared is not None
    assert (accounting.lookups, accounting.memory.lookups) == (total, total)
    assert accounting.consistent
    assert accounting.counted == "server"
    assert accounting.evictions > 0
    assert accounting.hits >= accounting.memory.hits
    # What memory did not answer, the server was asked once for, unless a caller joined another's question.
    assert accounting.memory.misses == accounting.shared.lookups + accounting.collapsed


async def test_counts_arrive_by_themselves_whatever_else_the_server_says(
    cache_server: CacheServer, unique_name: UniqueName, eventually: Eventually
) -> None:
    async with opened(2, cache_server.url, unique_name()) as (one, other):
        for _ in range(10):
            await one.get(KEY)

        async def arrived_while_messages_come() -> bool:
            await other.delete(KEY)
            return (await other.accounting()).lookups == 10

        await eventually(arrived_while_messages_come)


@pytest.mark.parametrize("seed", range(4))
async def test_no_stale_value_survives_whoever_reads_computes_and_deletes(
    cache_server: CacheServer, unique_name: UniqueName, eventually: Eventually, seed: int
) -> None:
    random = Random(seed)
    truth = dict.fromkeys(range(4), 0)
    namespace = unique_name()
    async with opened(3, cache_server.url, namespace) as caches:

        async def read(cache: MultiLevelCache, number: int) -> int:
            async def compute() -> int:
                version = truth[number]
                for _ in range(random.randrange(30)):
                    await asyncio.sleep(0)
                return version

            version = await cache.get_or_compute(key_of(number), compute, tags=[f"number:{number}"])
            assert isinstance(version, int)
            return version

        async def change(cache: MultiLevelCache, number: int) -> None:
            truth[number] += 1
            version = truth[number]
            await cache.delete_by_tags(f"number:{number}")
            assert await read(cache, number) >= version

        async def client() -> None:
            for _ in range(40):
                cache, number = random.choice(caches), random.randrange(4)
                await (change(cache, number) if random.random() < 0.15 else read(cache, number))

        await asyncio.gather(*(client() for _ in range(12)))

        async def all_have_the_truth() -> bool:
            return all([await read(cache, number) == truth[number] for cache in caches for number in truth])

        async with opened(1, cache_server.url, namespace) as (newcomer,):
            assert [await read(newcomer, number) for number in truth] == list(truth.values())
        await eventually(all_have_the_truth)
        accounting = [await cache.accounting() for cache in caches][-1]
    assert accounting.consistent


async def test_a_process_that_heard_nothing_for_a_moment_forgets_its_memory(
    cache_server: CacheServer, unique_name: UniqueName, eventually: Eventually
) -> None:
    namespace = unique_name()
    async with Redis.from_url(cache_server.url) as redis, opened(1, cache_server.url, namespace) as (cache,):
        await cache.set(KEY, "in memory alone")
        await redis.delete(f"sightwire:cache:{{{namespace}}}:e:{KEY}")
        assert await cache.get(KEY) == "in memory alone"
        await redis.client_kill_filter(_type="pubsub")

        async def is_forgotten() -> bool:
            return await cache.get(KEY) is None

        await eventually(is_forgotten)
        await eventually(lambda: cache.health == "healthy")


async def test_an_entry_that_cannot_be_read_is_computed_again(
    cache_server: CacheServer, unique_name: UniqueName
) -> None:
    namespace = unique_name()
    async with (
        Redis.from_url(cache_server.url) as redis,
        opened(2, cache_server.url, namespace) as (one, other),
    ):
        await one.set(KEY, "v0")
        await redis.hset(f"sightwire:cache:{{{namespace}}}:e:{KEY}", "v", b"mz not zstd")
        assert await other.get_or_compute(KEY, Source()) == "v1"
        assert await other.get(KEY) == "v1"


async def test_a_server_that_lost_a_tag_does_not_bring_its_entries_back(
    cache_server: CacheServer, unique_name: UniqueName
) -> None:
    namespace = unique_name()
    async with Redis.from_url(cache_server.url) as redis, opened(2, cache_server.url, namespace) as (one, other):
        await one.set(KEY, "v0", tags=["t"])
        await redis.delete(f"sightwire:cache:{{{namespace}}}:t:t")
        assert await other.get(KEY) is None


async def test_entries_expire_in_the_server_too(
    cache_server: CacheServer, unique_name: UniqueName, eventually: Eventually
) -> None:
    async with opened(2, cache_server.url, unique_name()) as (one, other):
        await one.set(KEY, "v", ttl_seconds=0.2)
        await one.set(key_of("long"), "v", ttl_seconds=3600)

        async def is_gone() -> bool:
            return await one.get(KEY) is None and await other.get(KEY) is None

        await eventually(is_gone)
        assert await other.get(key_of("long")) == "v"


async def test_a_value_that_cannot_be_written_is_returned_and_not_kept(
    cache_server: CacheServer, unique_name: UniqueName
) -> None:
    value = object()
    source = Source(value)
    async with opened(1, cache_server.url, unique_name()) as (cache,):
        assert await cache.get_or_compute(KEY, source) is value
        assert await cache.get_or_compute(KEY, source) is value
        with pytest.raises(InvalidInputError, match="object cannot be cached"):
            await cache.set(KEY, value)


@pytest.mark.parametrize("tags", ["text", [""]])
async def test_tags_that_cannot_be_meant_are_refused(tags: Any) -> None:
    async with MultiLevelCache(CacheOptions("tags")) as cache:
        with pytest.raises(InvalidInputError, match="tag"):
            await cache.set(KEY, 1, tags=tags)


@pytest.mark.parametrize("ttl_seconds", [0, -1, float("nan"), float("inf")])
async def test_lifetimes_that_cannot_be_meant_are_refused(ttl_seconds: float) -> None:
    async with MultiLevelCache(CacheOptions("lifetimes")) as cache:
        with pytest.raises(InvalidInputError, match="more than 0 seconds"):
            await cache.set(KEY, 1, ttl_seconds=ttl_seconds)


async def test_a_server_that_was_never_there_is_no_obstacle() -> None:
    source = Source()
    unused_tcp_port = find_free_port("127.0.0.1")
    async with MultiLevelCache(CacheOptions("absent"), f"redis://127.0.0.1:{unused_tcp_port}/0") as cache:
        assert cache.health.startswith("unhealthy: ")
        assert await cache.get_or_compute(KEY, source) == await cache.get_or_compute(KEY, source) == "v1"
        await cache.delete_by_tags("t")
        assert (await cache.accounting()).counted == "process"
    assert source.calls == 1


async def test_the_server_may_die_and_come_back(fresh_cache_server: CacheServer, eventually: Eventually) -> None:
    async with opened(2, fresh_cache_server.url, "dying") as (one, other):
        await one.set(KEY, "before", tags=["t"])
        assert await other.get(KEY) == "before"
        await fresh_cache_server.kill()
        source = Source("while away")
        assert await one.get(KEY) == "before"
        assert await one.get_or_compute(key_of("new"), source) == "while away"
        assert await one.get_or_compute(key_of("new"), source) == "while away"
        assert source.calls == 1
        await eventually(lambda: one.health.startswith("unhealthy: ") and other.health.startswith("unhealthy: "))
        await one.delete_by_tags("t")
        assert await one.get(KEY) is None
        await fresh_cache_server.start()
        await eventually(lambda: one.health == other.health == "healthy")
        assert await other.get(KEY) is None
        await one.set(KEY, "after")
        assert await other.get(KEY) == "after"
        assert (await one.accounting()).consistent


async def test_what_was_deleted_while_the_server_hung_is_deleted_when_it_answers(
    fresh_cache_server: CacheServer, eventually: Eventually
) -> None:
    async with opened(2, fresh_cache_server.url, "hanging", timeout_seconds=0.2) as (one, other):
        await one.set(KEY, "before", tags=["t"])
        assert await other.get(KEY) == "before"
        os.kill(fresh_cache_server.process_id, signal.SIGSTOP)
        try:
            async with asyncio.timeout(5):
                await one.delete_by_tags("t")
                assert await one.get(KEY) is None
            await eventually(lambda: one.health.startswith("unhealthy: ") and other.health.startswith("unhealthy: "))
        finally:
            os.kill(fresh_cache_server.process_id, signal.SIGCONT)
        await eventually(lambda: one.health == other.health == "healthy")
        assert await other.get(KEY) is None
        assert await one.get(KEY) is None


async def test_a_server_out_of_memory_is_said_in_health(fresh_cache_server: CacheServer) -> None:
    async with opened(1, fresh_cache_server.url, "full") as (cache,), Redis.from_url(fresh_cache_server.url) as redis:
        await redis.config_set("maxmemory", "1")
        source = Source()
        assert await cache.get_or_compute(KEY, source) == await cache.get_or_compute(KEY, source) == "v1"
        assert "unhealthy" in cache.health
        assert "maxmemory" in cache.health
        await cache.delete_by_tags("t")
        await redis.config_set("maxmemory", "0")
        await cache.set(KEY, "v2")
        assert cache.health == "healthy"
    assert source.calls == 1


def test_a_url_that_is_none_of_a_cache_server_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="redis://host:6379/0"):
        MultiLevelCache(CacheOptions("url"), "http://127.0.0.1:6379")


async def test_metrics_say_what_each_cache_counted() -> None:
    registry = CollectorRegistry()
    async with MultiLevelCache(CacheOptions("metrics")) as cache:
        CacheMetrics({"results": cache}, registry)
        await cache.get_or_compute(KEY, Source())
        await cache.get(KEY)
        found = {"cache": "results", "level": "memory", "result": "hit"}
        assert registry.get_sample_value("sightwire_cache_lookups_total", found) == 1
        assert registry.get_sample_value("sightwire_cache_memory_entries", {"cache": "results"}) == 1
        assert registry.get_sample_value("sightwire_cache_server_up", {"cache": "results"}) is None


def test_settings_make_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTWIRE_CACHE_URL", "redis://:secret@cache:6379/1")
    monkeypatch.setenv("SIGHTWIRE_CACHE_POLICY", "lfu")
    settings = CacheSettings()
    assert settings.cache_server_url == "redis://:secret@cache:6379/1"
    assert "secret" not in repr(settings)
    made = settings.cache_options("tasks", memory_bytes=7, ttl_seconds=5)
    assert made == CacheOptions("tasks", memory_bytes=7, policy="lfu", ttl_seconds=5)
