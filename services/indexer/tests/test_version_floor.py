"""New items are newer than restored ones, also on a platform whose stream is younger than they are."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig
from nats.js.errors import Error as JetStreamError
from sightwire_indexer.backups.version_floor import raise_versions_above

from sightwire.bus.connection import Bus
from sightwire.contracts.streams import EMBEDDER_CONSUMER, INGEST
from sightwire.errors import ConflictError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.bus import shared_settings
from tests.plugin.waiting import wait_until


@pytest_asyncio.fixture(loop_scope="session")
async def bus(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Bus]:
    async with Bus(shared_settings(fresh_nats_server, tmp_path / "blobs"), name="test") as connected:
        yield connected


async def embedder(bus: Bus) -> JetStreamContext.PullSubscription:
    return await bus.jetstream.pull_subscribe(
        INGEST.subjects[0], durable=EMBEDDER_CONSUMER, stream=INGEST.name, config=ConsumerConfig()
    )


async def ingest(bus: Bus) -> int:
    """Publishes an item; its version."""
    return (await bus.jetstream.publish("ingest.photos", b"item")).seq


async def max_bytes(bus: Bus) -> int | None:
    return (await bus.jetstream.stream_info(INGEST.name)).config.max_bytes


async def is_refused(bus: Bus) -> bool:
    """Whether the stream takes in nothing new; asks without leaving an item in it."""
    if await max_bytes(bus) == INGEST.max_bytes:
        return False
    with pytest.raises(JetStreamError, match="maximum bytes exceeded"):
        await ingest(bus)
    return True


async def test_an_empty_stream_goes_on_above_the_restored_versions(bus: Bus, fresh_nats_server: NatsServer) -> None:
    subscription = await embedder(bus)
    assert await ingest(bus) == 1
    await (await subscription.fetch(1))[0].ack_sync()
    await raise_versions_above(bus, 1_000_000)
    assert await max_bytes(bus) == INGEST.max_bytes
    # What is known of the stream survives the server, and its consumer goes on.
    await fresh_nats_server.stop()
    await fresh_nats_server.start()
    await wait_until(lambda: bus.is_connected)
    assert await ingest(bus) == 1_000_001
    (message,) = await subscription.fetch(1)
    assert message.metadata.sequence.stream == 1_000_001


async def test_a_stream_that_is_further_stays_as_it_is(bus: Bus) -> None:
    await ingest(bus)
    await ingest(bus)
    await raise_versions_above(bus, 2)
    await raise_versions_above(bus, 0)
    assert await ingest(bus) == 3


async def test_what_waits_is_embedded_first(bus: Bus) -> None:
    await ingest(bus)
    raising = asyncio.create_task(raise_versions_above(bus, 500))
    await wait_until(lambda: is_refused(bus))
    subscription = await embedder(bus)
    for message in await subscription.fetch(10):
        await message.ack_sync()
    await raising
    assert await ingest(bus) == 501


async def test_what_waits_is_never_thrown_away(bus: Bus) -> None:
    await ingest(bus)
    with pytest.raises(ConflictError, match="in which 1 items wait"):
        await raise_versions_above(bus, 500, drain_seconds=0)
    assert await max_bytes(bus) == INGEST.max_bytes
    assert await ingest(bus) == 2


async def test_a_stream_that_a_crash_left_refusing_takes_items_again(bus: Bus) -> None:
    await raise_versions_above(bus, 500)
    config = (await bus.jetstream.stream_info(INGEST.name)).config
    await bus.jetstream.update_stream(config.evolve(max_bytes=1))
    assert await is_refused(bus)
    await raise_versions_above(bus, 500)
    assert await ingest(bus) == 501


async def test_two_restorations_take_turns(bus: Bus) -> None:
    await asyncio.gather(*(raise_versions_above(bus, version) for version in (500, 900, 700)))
    assert await max_bytes(bus) == INGEST.max_bytes
    assert await ingest(bus) == 901
