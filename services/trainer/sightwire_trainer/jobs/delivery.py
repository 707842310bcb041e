"""One request as the bus delivered it, kept alive while it is worked on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from sightwire.ending_tasks import end_tasks

#: Time in which the bus expects an answer for a delivery, or word that it is still being worked on.
ACK_WAIT_SECONDS: Final = 10.0
_HEARTBEAT_SECONDS: Final = ACK_WAIT_SECONDS / 4


@dataclass(frozen=True, slots=True)
class RequestDelivery:
    """A delivered message of `training.requested`."""

    message: Msg

    @property
    def payload(self) -> bytes:
        return self.message.data

    @property
    def headers(self) -> Mapping[str, str]:
        return self.message.headers or {}

    @property
    def subject(self) -> str:
        return self.message.subject

    @property
    def sequence(self) -> int:
        return self.message.metadata.sequence.stream

    async def finish(self) -> None:
        """Nobody gets it any more. While the bus is away it will come again, and its run is found to have ended."""
        with suppress(NatsError):
            await self.message.ack()

    async def give_back(self, delay_seconds: float = 0.0) -> None:
        """Somebody gets it again."""
        # Without a connection the bus delivers it again by itself, when its time for an answer is over.
        with suppress(NatsError):
            await self.message.nak(delay=delay_seconds or None)

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Tells the bus while the block runs that the message is being worked on."""
        beating = asyncio.create_task(self._beat(), name="heartbeat")
        try:
            yield
        finally:
            await end_tasks(beating)

    async def _beat(self) -> None:
        while True:
            with suppress(NatsError):
                await self.message.in_progress()
            await asyncio.sleep(_HEARTBEAT_SECONDS)
