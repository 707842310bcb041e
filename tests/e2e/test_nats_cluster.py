"""A bus of three servers: whichever of them dies while items come in, nothing is lost and nothing comes twice."""

import asyncio
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from sightwire.bus.connection import Bus
from sightwire.client import AsyncSightwire
from sightwire.contracts.streams import BUCKETS, EMBEDDED, INGEST, STREAMS
from sightwire.platform.local_platform import numbered
from sightwire.platform.ports import find_free_port
from sightwire.platform.running_platform import PlatformOptions, RunningPlatform, run_platform
from sightwire.settings import SharedSettings
from tests.e2e.traffic import listed
from tests.plugin.survival import until_accepted, was_killed
from tests.plugin.waiting import Eventually

SERVERS = 3
ITEMS = 300
UPLOADS_AT_ONCE = 4
COLLECTION = "survivors"


@pytest.mark.timeout(600)
async def test_nothing_is_lost_when_leaders_of_streams_are_killed(tmp_path: Path, eventually: Eventually) -> None:
    options = PlatformOptions(data_directory=tmp_path / "data", port=find_free_port(), nats_servers=SERVERS)
    async with (
        run_platform(options) as platform,
        AsyncSightwire(platform.gateway_url, timeout=30) as client,
        Bus(_bus_settings(platform), name="test") as bus,
    ):
        for stream in (*(stream.name for stream in STREAMS), *(f"KV_{bucket.name}" for bucket in BUCKETS)):
            assert (await bus.jetstream.stream_info(stream)).config.num_replicas == SERVERS
        await client.collections.create(COLLECTION)
        texts = {f"item-{number}": f"the drawing number {number}" for number in range(ITEMS)}
        accepted: list[str] = []
        pending = iter(texts.items())

        async def upload(pending: Iterator[tuple[str, str]]) -> None:
            for item_id, text in pending:
                await until_accepted(partial(client.items.put, COLLECTION, id=item_id, text=text))
                accepted.append(item_id)

        async def kill_leader(stream: str, *, after: int) -> None:
            await eventually(lambda: len(accepted) >= after, deadline=200)
            killed = ""

            async def was_done() -> bool:
                nonlocal killed
                killed = await _process_of_leader(bus, stream)
                return was_killed(platform.process(killed), kills=platform.process(killed).restarts)

            await eventually(was_done, deadline=60, describe=f"the kill of the leader of {stream}")
            kills.append(killed)

        kills: list[str] = []
        async with asyncio.TaskGroup() as tasks:
            for _ in range(UPLOADS_AT_ONCE):
                tasks.create_task(upload(pending))
            await kill_leader(INGEST.name, after=ITEMS // 6)
            await kill_leader(EMBEDDED.name, after=ITEMS // 2)
        assert len(kills) == 2
        assert sorted(accepted) == sorted(texts)

        async def all_are_searchable() -> bool:
            assert await listed(client, COLLECTION) == texts
            return True

        await eventually(all_are_searchable, deadline=120)

        async def are_told_searchable() -> bool:
            for item_id in random.sample(accepted, 20):
                assert (await client.items.status(COLLECTION, item_id)).state == "searchable"
            return True

        await eventually(are_told_searchable, deadline=60)


def _bus_settings(platform: RunningPlatform) -> SharedSettings:
    access = platform.nats
    return SharedSettings.model_validate(
        {"nats_url": access.url, "nats_user": access.user, "nats_password": access.password}
    )


async def _process_of_leader(bus: Bus, stream: str) -> str:
    cluster = (await bus.jetstream.stream_info(stream)).cluster
    assert cluster is not None, "the stream is one of a cluster"
    assert cluster.leader, f"{stream} has no leader now"
    return numbered("nats", int(cluster.leader.rsplit("-", 1)[1]) - 1)
