"""The whole platform with its blobs on an S3 server of its own, which dies and comes back."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sightwire.client import AsyncSightwire
from sightwire.platform.errors import PlatformError
from sightwire.platform.ports import find_free_port
from sightwire.platform.running_platform import OWN_S3_SERVER, PlatformOptions, RunningPlatform, run_platform
from sightwire.platform.s3_server import find_s3_server
from sightwire.platform.supervised_process import ProcessState
from tests.plugin.waiting import Eventually

CAT = Path(__file__).parents[1] / "fixtures/photos/chelsea.jpg"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningPlatform]:
    try:
        find_s3_server()
    except PlatformError as error:
        pytest.skip(str(error))
    data = tmp_path_factory.mktemp("on-s3")
    async with run_platform(PlatformOptions(data, port=find_free_port(), blobs=OWN_S3_SERVER)) as running:
        yield running


@pytest.mark.timeout(300)
async def test_items_outlive_the_death_of_the_store_and_of_those_who_copied_them(
    platform: RunningPlatform, eventually: Eventually
) -> None:
    async def kill(name: str) -> None:
        victim = platform.process(name)
        assert victim.process_id is not None
        restarts = victim.restarts
        os.kill(victim.process_id, signal.SIGKILL)
        await eventually(lambda: victim.restarts > restarts and victim.state is ProcessState.READY, deadline=60)

    async with AsyncSightwire(platform.gateway_url) as client:

        async def found() -> set[str]:
            # Explained answers are never from the cache.
            answer = await client.search("cats", text="a cat", k=4, explain=True)
            return {hit.id for hit in answer.hits}

        await client.collections.create("cats")
        assert (await client.items.put("cats", id="before", image=CAT, wait=True)).state == "searchable"
        assert not platform.data.blobs.exists()

        s3 = platform.process("s3")
        assert s3.process_id is not None
        os.kill(s3.process_id, signal.SIGKILL)
        # Searchers answer from what they have; what comes without a picture waits on the bus.
        assert await found() == {"before"}
        await client.items.put("cats", id="meanwhile", text="a cat in the sun")
        await eventually(lambda: s3.restarts == 1 and s3.state is ProcessState.READY, deadline=60)
        assert (await client.items.wait("cats", "meanwhile", timeout=60)).state == "searchable"
        assert await client.items.picture("cats", "before") == CAT.read_bytes()

        for name in ("searcher", "indexer"):
            await kill(name)
        assert (await client.items.put("cats", id="after", image=CAT, wait=True, timeout=60)).state == "searchable"
        assert await found() == {"before", "meanwhile", "after"}
