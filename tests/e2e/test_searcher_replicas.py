"""Several searchers on one machine: all of them answer, and the death of one is noticed by nobody who asks."""

import os
import re
import signal
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from sightwire.client import AsyncSightwire
from sightwire.platform.ports import find_free_port
from sightwire.platform.running_platform import PlatformOptions, RunningPlatform, run_platform
from sightwire.platform.supervised_process import ProcessState
from tests.plugin.waiting import Eventually

REPLICAS = ("searcher", "searcher-2")
QUERIES_EACH = 20


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def platform(tmp_path_factory) -> AsyncIterator[RunningPlatform]:
    options = PlatformOptions(tmp_path_factory.mktemp("replicas"), port=find_free_port(), searchers=len(REPLICAS))
    async with run_platform(options) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def client(platform: RunningPlatform) -> AsyncIterator[AsyncSightwire]:
    async with AsyncSightwire(platform.gateway_url) as client:
        yield client


async def test_every_searcher_answers_and_the_death_of_one_fails_no_query(
    platform: RunningPlatform, client: AsyncSightwire, eventually: Eventually
) -> None:
    await client.collections.create("boats", fields={"place": {"source": "user", "dimension": 2}})
    for number in range(4):
        await client.items.put("boats", id=str(number), vectors={"place": [1.0, float(number)]})
    for number in range(4):
        await client.items.wait("boats", str(number))

    async def found() -> list[str]:
        # Explained answers are never from the cache.
        answer = await client.search("boats", vector=("place", [1.0, 0.0]), k=4, explain=True)
        return [result.id for result in answer.hits]

    # Whichever searcher is asked: `searchable` means that all of them have it.
    assert {tuple(await found()) for _ in range(QUERIES_EACH)} == {("0", "1", "2", "3")}
    for name in REPLICAS:
        assert await queries_answered(platform, name) >= QUERIES_EACH // 4

    victim = platform.process(REPLICAS[0])
    assert victim.process_id is not None
    os.kill(victim.process_id, signal.SIGKILL)
    answers = [await found() for _ in range(QUERIES_EACH)]
    assert all(answer == ["0", "1", "2", "3"] for answer in answers)
    await eventually(lambda: victim.restarts == 1 and victim.state is ProcessState.READY, deadline=60)


async def queries_answered(platform: RunningPlatform, name: str) -> int:
    """How many queries the searcher of that name has counted."""
    (process,) = [process for process in platform.info().processes if process.name == name]
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{process.operations_url}/metrics")).text
    counts = re.findall(r'^sightwire_searcher_query_duration_seconds_count{method="Search"} (\S+)$', text, re.MULTILINE)
    return int(sum(map(float, counts)))
