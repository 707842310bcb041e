"""A durable consumer from which several messages are taken with one request."""

import asyncio
import json
from typing import Final, Self

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import ConsumerConfig, Header
from nats.js.errors import APIError

from sightwire.bus.connection import Bus

#: How much later than it should the server may answer that there is nothing.
_GRACE_SECONDS: Final = 1.0
#: What waits goes to requests that came before; there may be more when they have it.
_OTHERS_FIRST_SECONDS: Final = 0.01
_NO_MESSAGES: Final = frozenset({"404", "408"})
_NANOSECONDS: Final = 1_000_000_000


class OpenQueue:
    """What one process takes from a consumer that it may share with others; made by `open`.

    nats-py's own `fetch` of several messages waits, once there is one, until all have come or its time is over.
    """

    def __init__(self, bus: Bus, stream: str, consumer: str) -> None:
        self._client = bus.client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = bus.client.new_inbox()
        self._subscription: Subscription | None = None
        self._came: list[Msg] = []
        self._requests = 0
        #: How the last request ended, if not with as many messages as it asked for.
        self._end: Msg | None = None
        self._news = asyncio.Event()

    @classmethod
    async def open(cls, bus: Bus, stream: str, config: ConsumerConfig) -> Self:
        """Creates the consumer unless it is there.

        Args:
            config: with a durable name and a filter.

        Raises:
            NatsError, APIError: the bus is away.
        """
        await bus.jetstream.add_consumer(stream, config)
        assert config.durable_name is not None, "who takes messages over must find the consumer"
        queue = cls(bus, stream, config.durable_name)
        queue._subscription = await queue._client.subscribe(f"{queue._inbox}.*", cb=queue._hear)
        return queue

    async def take(self, most: int, seconds: float) -> list[Msg]:
        """What waits, or else the first that come; none: none did within `seconds`.

        Args:
            most: messages; a few more may come that an earlier request asked for.

        Raises:
            NatsError, APIError: the bus is away, or has lost the consumer.
        """
        self._requests += 1
        self._end = None
        # Both together: wait until there are any, and then for no more.
        asked = {"batch": most, "expires": int(seconds * _NANOSECONDS), "no_wait": True}
        await self._client.publish(self._next, json.dumps(asked).encode(), reply=self._reply)
        try:
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                while self._end is None and len(self._came) < most:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass  # the request was lost, as the bus was away
        came, self._came = self._came, []
        if self._end is not None and not came:
            await self._bear(self._end)
        return came

    async def close(self) -> None:
        """Takes no more.

        Raises:
            NatsError: the bus is away, and the subscription ends with the connection.
        """
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    @property
    def _reply(self) -> str:
        return f"{self._inbox}.{self._requests}"

    async def _hear(self, message: Msg) -> None:
        if _status(message) is None:
            self._came.append(message)
        elif message.subject == self._reply:
            self._end = message
        self._news.set()

    async def _bear(self, end: Msg) -> None:
        if _status(end) not in _NO_MESSAGES:
            raise APIError.from_msg(end)
        if "Pending" in (end.headers or {}).get(Header.DESCRIPTION, ""):
            await asyncio.sleep(_OTHERS_FIRST_SECONDS)


def _status(message: Msg) -> str | None:
    return message.headers.get(Header.STATUS) if message.headers else None
