"""One order as the bus delivered it, kept alive while it is worked on."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

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


@contextmanager
def kept_alive(message: Msg) -> Iterator[None]:
    """Tells the bus while the block runs that the order is being worked on."""
    heartbeat = _Heartbeat(message)
    try:
        yield
    finally:
        heartbeat.stop()


class _Heartbeat:
    """A timer: most orders are answered before a task for it would have begun."""

    def __init__(self, message: Msg) -> None:
        self._message = message
        self._loop = asyncio.get_running_loop()
        self._saying: asyncio.Task[None] | None = None
        # The delivery itself has just said as much.
        self._timer = self._loop.call_later(_HEARTBEAT_SECONDS, self._beat)

    def stop(self) -> None:
        self._timer.cancel()

    def _beat(self) -> None:
        self._saying = self._loop.create_task(self._say())
        self._timer = self._loop.call_later(_HEARTBEAT_SECONDS, self._beat)

    async def _say(self) -> None:
        with suppress(NatsError):
            await self._message.in_progress()
