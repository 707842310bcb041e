"""One order as the bus delivered it, kept alive while it is worked on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from sightwire.ending_tasks import end_tasks

#: Time after which the bus takes a worker that says nothing for dead, and delivers its orders to others.
ACK_WAIT_SECONDS: Final = 10.0
_HEARTBEAT_SECONDS: Final = ACK_WAIT_SECONDS / 4


async def finish(message: Msg) -> None:
    """Nobody gets the order any more. While the bus is away it comes again."""
    with suppress(NatsError):
        await message.ack()


async def give_back(message: Msg, *, delay_seconds: float = 0.0) -> None:
    """Some worker gets the order again."""
    # Without a connection the bus delivers it again by itself, when its time for an answer is over.
    with suppress(NatsError):
        await message.nak(delay=delay_seconds or None)


@asynccontextmanager
async def kept_alive(message: Msg) -> AsyncIterator[None]:
    """Tells the bus while the block runs that the order is being worked on."""
    beating = asyncio.create_task(_beat(message), name="heartbeat")
    try:
        yield
    finally:
        await end_tasks(beating)


async def _beat(message: Msg) -> None:
    while True:
        # The delivery itself has just said as much.
        await asyncio.sleep(_HEARTBEAT_SECONDS)
        with suppress(NatsError):
            await message.in_progress()
