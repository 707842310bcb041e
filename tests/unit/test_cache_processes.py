"""The cache among processes of the operating system, one of them killed."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable

from sightwire.cache.keys import key_of
from sightwire.cache.levels import MultiLevelCache
from sightwire.cache.options import CacheOptions
from tests.plugin.cache_server import CacheServer

PROCESSES, KEYS, CALLERS = 3, 40, 10

# Waits for a line, so that all start together; asks for every key with many callers; says what it computed itself.
_ASK_FOR_EVERYTHING = f"""
import asyncio, json, sys
from sightwire.cache.keys import key_of
from sightwire.cache.levels import MultiLevelCache
from sightwire.cache.options import CacheOptions

async def main(url, namespace):
    computed = []
    async with MultiLevelCache(CacheOptions(namespace, lock_seconds=60.0, timeout_seconds=10.0), url) as cache:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

        async def ask(number):
            async def compute():
                computed.append(number)
                return number * number
            assert await cache.get_or_compute(key_of(number), compute) == number * number

        await asyncio.gather(*(ask(number) for number in range({KEYS}) for _ in range({CALLERS})))
    print(json.dumps(computed))

asyncio.run(main(*sys.argv[1:]))
"""

# Takes the right to compute a key, and never comes back with a value.
_HANG = """
import asyncio, sys
from sightwire.cache.keys import key_of
from sightwire.cache.levels import MultiLevelCache
from sightwire.cache.options import CacheOptions

async def hang():
    print("computing", flush=True)
    await asyncio.Event().wait()

async def main(url, namespace):
    async with MultiLevelCache(CacheOptions(namespace, lock_seconds=1.0, timeout_seconds=10.0), url) as cache:
        await cache.get_or_compute(key_of("hung"), hang)

asyncio.run(main(*sys.argv[1:]))
"""


async def started(program: str, *arguments: str) -> Process:
    """A Python process that has written its first line."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, *arguments, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    return process


async def test_processes_compute_each_key_once_and_count_exactly(
    cache_server: CacheServer, unique_name: Callable[..., str]
) -> None:
    namespace = unique_name()
    processes = await asyncio.gather(
        *(started(_ASK_FOR_EVERYTHING, cache_server.url, namespace) for _ in range(PROCESSES))
    )
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    computed = [number for output, _ in outputs for number in json.loads(output)]
    assert sorted(computed) == list(range(KEYS))
    async with MultiLevelCache(CacheOptions(namespace, timeout_seconds=10.0), cache_server.url) as cache:
        accounting = await cache.accounting()
    assert accounting.shared is not None
    assert accounting.lookups == accounting.memory.lookups == PROCESSES * KEYS * CALLERS
    assert accounting.sets == KEYS
    assert accounting.consistent
    assert accounting.memory.misses == accounting.shared.lookups + accounting.collapsed


async def test_a_killed_process_keeps_nobody_from_computing(
    cache_server: CacheServer, unique_name: Callable[..., str]
) -> None:
    namespace = unique_name()
    hung = await started(_HANG, cache_server.url, namespace)
    hung.kill()
    await hung.wait()

    async def compute() -> str:
        return "computed"

    async with MultiLevelCache(
        CacheOptions(namespace, lock_seconds=30.0, timeout_seconds=10.0), cache_server.url
    ) as cache:
        async with asyncio.timeout(15):
            assert await cache.get_or_compute(key_of("hung"), compute) == "computed"
