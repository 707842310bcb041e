"""Watches of buckets on a real server: whatever happens to it or to their consumers, changes arrive in the end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest
import pytest_asyncio

from sightwire.bus import bucket_consumer, watching
from sightwire.bus.connection import Bus
from sightwire.bus.watching import read_bucket, watch_bucket
from sightwire.contracts.streams import COLLECTIONS, EMBEDDERS, EMBEDDING_MODELS
from sightwire.ending_tasks import end_tasks
from sightwire.errors import UnavailableError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.bus import shared_settings
from tests.plugin.waiting import Eventually

STREAM = f"KV_{EMBEDDING_MODELS.name}"


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence that takes seconds in services takes half a second here."""
    monkeypatch.setattr(bucket_consumer, "_HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(watching, "_RETRY_SECONDS", 0.05)


@pytest_asyncio.fixture(loop_scope="session")
async def own_bus(fresh_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Bus]:
    async with Bus(shared_settings(fresh_nats_server, tmp_path), name="test") as bus:
        yield bus


@dataclass
class Follower:
    """What a watch has told."""

    bus: Bus
    values: dict[str, bytes] = field(default_factory=dict)
    completions: int = 0
    changes: int = 0

    async def follow(self) -> None:
        async for change in watch_bucket(self.bus, EMBEDDING_MODELS):
            if change is None:
                self.completions += 1
                continue
            self.changes += 1
            if change.value is None:
                self.values.pop(change.key, None)
            else:
                self.values[change.key] = change.value

    @classmethod
    @asynccontextmanager
    async def following(cls, bus: Bus, eventually: Eventually) -> AsyncIterator[Self]:
        """Once it knows what is there."""
        follower = cls(bus)
        task = asyncio.create_task(follower.follow())
        try:
            await eventually(lambda: follower.completions or task.done())
            yield follower
            assert not task.done()
            assert follower.completions == 1
        finally:
            await end_tasks(task)


async def put(bus: Bus, **values: str) -> None:
    bucket = await bus.bucket(EMBEDDING_MODELS)
    for key, value in values.items():
        await bucket.put(key, value.encode())


async def consumers(bus: Bus) -> list[str]:
    return [info.name for info in await bus.jetstream.consumers_info(STREAM)]


async def test_present_values_come_first_and_then_each_change(own_bus: Bus, eventually: Eventually) -> None:
    await put(own_bus, a="1", b="1")
    await (await own_bus.bucket(EMBEDDING_MODELS)).delete("b")
    async with Follower.following(own_bus, eventually) as follower:
        assert follower.values == {"a": b"1"}
        await put(own_bus, a="2", c="")
        await eventually(lambda: follower.values == {"a": b"2", "c": b""})
        await (await own_bus.bucket(EMBEDDING_MODELS)).delete("a")
        await eventually(lambda: follower.values == {"c": b""})
    assert [change.key for change in await read_bucket(own_bus, EMBEDDING_MODELS)] == ["c"]
    assert await read_bucket(own_bus, EMBEDDING_MODELS, "a") == []


async def test_a_bucket_of_any_size_comes_whole(own_bus: Bus) -> None:
    # More than a server sends before it waits for an answer.
    bucket, value = await own_bus.bucket(EMBEDDING_MODELS), bytes(100_000)
    names = {f"k{number}" for number in range(400)}
    await asyncio.gather(*(bucket.put(name, value) for name in names))
    assert {change.key for change in await read_bucket(own_bus, EMBEDDING_MODELS)} == names


async def test_a_key_that_expires_is_told(own_bus: Bus) -> None:
    bucket = await own_bus.bucket(EMBEDDERS)
    seen = []
    async with asyncio.timeout(30):
        async for change in watch_bucket(own_bus, EMBEDDERS):
            seen.append(change and (change.key, change.value))
            if change is None:
                await bucket.create("a", b"1", msg_ttl=1.0)
            if seen[-1] == ("a", None):
                break
    assert seen == [None, ("a", b"1"), ("a", None)]


async def test_a_consumer_that_is_deleted_is_replaced(own_bus: Bus, eventually: Eventually) -> None:
    await put(own_bus, a="1", gone="1")
    async with Follower.following(own_bus, eventually) as follower:
        (consumer,) = await consumers(own_bus)
        await own_bus.jetstream.delete_consumer(STREAM, consumer)
        await put(own_bus, a="2", b="1")
        # Nothing tells of this one.
        await own_bus.jetstream.purge_stream(STREAM, subject=f"$KV.{EMBEDDING_MODELS.name}.gone")
        await eventually(lambda: follower.values == {"a": b"2", "b": b"1"})
        await put(own_bus, b="2")
        await eventually(lambda: follower.values == {"a": b"2", "b": b"2"})


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_server_that_starts_again_is_followed(
    own_bus: Bus, fresh_nats_server: NatsServer, tmp_path: Path, eventually: Eventually, how: str
) -> None:
    await put(own_bus, a="1", gone="1")
    async with Follower.following(own_bus, eventually) as follower:
        await getattr(fresh_nats_server, how)()
        await fresh_nats_server.start()
        # Another client may be there first.
        async with Bus(shared_settings(fresh_nats_server, tmp_path), name="other") as other:
            await put(other, a="2", b="1")
            await (await other.bucket(EMBEDDING_MODELS)).delete("gone")
        await eventually(lambda: follower.values == {"a": b"2", "b": b"1"}, deadline=30)


async def test_a_server_that_has_lost_everything_is_followed(
    own_bus: Bus, fresh_nats_server: NatsServer, tmp_path: Path, eventually: Eventually
) -> None:
    await put(own_bus, a="1", b="1", c="1")
    async with Follower.following(own_bus, eventually) as follower:
        await own_bus.jetstream.delete_stream(STREAM)
        async with Bus(shared_settings(fresh_nats_server, tmp_path), name="other") as other:
            # With sequences that the watch has seen before.
            await put(other, a="2")
        await eventually(lambda: follower.values == {"a": b"2"})


async def test_a_server_that_stands_still_is_waited_for(
    own_bus: Bus, fresh_nats_server: NatsServer, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_consumer, "_REQUEST_SECONDS", 0.2)
    warned = asyncio.Event()
    monkeypatch.setattr(watching.logger, "warning", lambda *_arguments, **_more: warned.set())
    async with Follower.following(own_bus, eventually) as follower:
        assert fresh_nats_server.process_id is not None
        os.kill(fresh_nats_server.process_id, signal.SIGSTOP)
        try:
            for _ in range(2):  # Silence first, then a server that makes no new consumer.
                warned.clear()
                await asyncio.wait_for(warned.wait(), 10)
        finally:
            os.kill(fresh_nats_server.process_id, signal.SIGCONT)
        await put(own_bus, a="1")
        await eventually(lambda: follower.values == {"a": b"1"})


async def test_a_change_that_is_lost_on_the_way_is_made_up_for(own_bus: Bus, eventually: Eventually) -> None:
    await put(own_bus, a="1")
    async with Follower.following(own_bus, eventually) as follower:
        (info,) = await own_bus.jetstream.consumers_info(STREAM)
        assert info.config.deliver_subject is not None
        # A heartbeat that tells of more messages than came.
        heartbeat = {"Status": "100", "Nats-Last-Consumer": "9"}
        await own_bus.client.publish(info.config.deliver_subject, headers=heartbeat)
        await eventually(lambda: follower.changes == 2)
        await put(own_bus, a="2")
        await eventually(lambda: follower.values == {"a": b"2"})


async def test_a_watch_ends_with_an_error_when_its_connection_is_closed_for_good(
    fresh_nats_server: NatsServer, tmp_path: Path, eventually: Eventually
) -> None:
    async with Bus(shared_settings(fresh_nats_server, tmp_path), name="test") as bus:
        follower = Follower(bus)
        task = asyncio.create_task(follower.follow())
        await eventually(lambda: follower.completions)
    with pytest.raises(UnavailableError, match="closed for good"):
        await asyncio.wait_for(task, 10)


async def test_a_bucket_that_is_not_there_is_waited_for(
    own_bus: Bus, fresh_nats_server: NatsServer, tmp_path: Path, eventually: Eventually
) -> None:
    await own_bus.jetstream.delete_stream(f"KV_{COLLECTIONS.name}")
    with pytest.raises(UnavailableError, match="stream not found"):
        await read_bucket(own_bus, COLLECTIONS)
    watching_it = asyncio.create_task(anext(watch_bucket(own_bus, COLLECTIONS)))
    async with Bus(shared_settings(fresh_nats_server, tmp_path), name="other"):
        assert await asyncio.wait_for(watching_it, 10) is None


async def test_consumers_do_not_pile_up(own_bus: Bus, eventually: Eventually, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_consumer, "_REMOVE_AFTER_SECONDS", 0.2)
    for _ in range(3):
        assert await read_bucket(own_bus, EMBEDDING_MODELS) == []

    async def none_is_left() -> bool:
        return not await consumers(own_bus)

    await eventually(none_is_left)
