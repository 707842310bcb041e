"""The connection of a service stays alive through what its tasks go through."""

import asyncio

import pytest

from sightwire.bus.connection import Bus
from tests.plugin.waiting import Eventually


async def test_a_flush_that_was_given_up_does_not_make_the_connection_deaf(bus: Bus) -> None:
    flushing = asyncio.create_task(bus.client.flush(1))
    await asyncio.sleep(0)  # It has sent its ping and waits for the answer.
    flushing.cancel()
    await asyncio.gather(flushing, return_exceptions=True)
    acknowledgement = await bus.publish("index.ready.flushed", b"{}", {})
    assert acknowledgement.stream == "INDEX"
    await bus.client.flush(5)


async def test_a_connection_whose_reading_ends_on_an_error_is_made_again(
    bus: Bus, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_pong: object) -> None:
        raise asyncio.InvalidStateError

    with monkeypatch.context() as patched:
        patched.setattr(type(bus.client), "_process_pong", refuse)
        await bus.client._send_ping()
        await eventually(lambda: not bus.is_connected)
    await eventually(lambda: bus.is_connected)
    assert (await bus.publish("index.ready.made-again", b"{}", {})).stream == "INDEX"
