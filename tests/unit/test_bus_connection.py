"""The connection of a service stays alive through what its tasks go through."""

import asyncio

from sightwire.bus.connection import Bus


async def test_a_flush_that_was_given_up_does_not_make_the_connection_deaf(bus: Bus) -> None:
    flushing = asyncio.create_task(bus.client.flush(1))
    await asyncio.sleep(0)  # It has sent its ping and waits for the answer.
    flushing.cancel()
    await asyncio.gather(flushing, return_exceptions=True)
    acknowledgement = await bus.publish("index.ready.flushed", b"{}", {})
    assert acknowledgement.stream == "INDEX"
    await bus.client.flush(5)
