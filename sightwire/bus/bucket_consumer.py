"""A consumer of a key-value bucket that notices when changes no longer come.

The watch of nats-py is not used here. When the server is slow to describe the consumer, its first message is lost, and
an `InvalidStateError` breaks it off; it goes on from a sequence that a server which lost its last messages has given to
others meanwhile; and the tasks that keep it alive end for good on any error, which nobody is told.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import Header, StatusCode
from nats.js.kv import KV_DEL, KV_MARKER_REASON, KV_OP, KV_PURGE

from sightwire.bus.connection import Bus
from sightwire.contracts.streams import BucketDefinition
from sightwire.errors import UnavailableError

#: After so long without a change the server says that there is none.
_HEARTBEAT_SECONDS: Final = 2.0
#: Heartbeats that may stay away, as when one of both processes gets no processor for a while.
_MISSED_HEARTBEATS: Final = 3
#: The server removes a consumer that nobody has listened to for so long.
_REMOVE_AFTER_SECONDS: Final = 10.0
_REQUEST_SECONDS: Final = 5.0
_NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class BucketChange:
    """A put, or a deletion or expiry (`value` None)."""

    key: str
    value: bytes | None
    #: For a compare-and-set; 0 where a key went without a trace.
    revision: int = 0


class BucketConsumer:
    """Consumes the present values of a bucket, then its changes. Use as an async context manager.

    Args:
        bus: a connected one.
        bucket: what to consume.
        keys: a pattern, as in subjects.
    """

    def __init__(self, bus: Bus, bucket: BucketDefinition, keys: str) -> None:
        self._client = bus.client
        self._stream = f"KV_{bucket.name}"
        self._prefix = f"$KV.{bucket.name}."
        self._keys = keys
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()
        self._subscription: Subscription | None = None
        self._present = 0
        #: Of the last message, as the consumer counts them.
        self._sequence = 0

    async def __aenter__(self) -> Self:
        """Raises UnavailableError where the server has no such bucket or does not answer, and errors of the client."""
        inbox = self._client.new_inbox()
        self._subscription = await self._client.subscribe(inbox, cb=self._hear)
        try:
            self._present = await self._create(inbox)
        except BaseException:
            await self._unsubscribe()
            raise
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._unsubscribe()

    async def changes(self) -> AsyncGenerator[BucketChange | None]:
        """The last change of each key, deletions included, then None, then each change.

        Raises:
            UnavailableError: a change was lost, or the server says nothing any more; a new consumer has to begin anew.
        """
        is_complete = not self._present
        if is_complete:
            yield None
        while True:
            message = await self._next()
            if _is_control(message):
                is_last = await self._is_idle(message)
            else:
                yield self._change(message)
                is_last = message.metadata.num_pending == 0
            if is_last and not is_complete:
                is_complete = True
                yield None

    async def _hear(self, message: Msg) -> None:
        # As much waits here as flow control lets the server send.
        self._arrived.put_nowait(message)

    async def _create(self, inbox: str) -> int:
        """Creates the consumer; the number of messages that it has for us now."""
        configuration: dict[str, Any] = {
            "deliver_subject": inbox,
            "deliver_policy": "last_per_subject",
            "filter_subject": self._prefix + self._keys,
            "ack_policy": "none",
            "flow_control": True,
            "idle_heartbeat": int(_HEARTBEAT_SECONDS * _NANOSECONDS),
            "inactive_threshold": int(_REMOVE_AFTER_SECONDS * _NANOSECONDS),
            "mem_storage": True,
            "num_replicas": 1,
        }
        reply = await self._client.request(
            f"$JS.API.CONSUMER.CREATE.{self._stream}",
            json.dumps({"stream_name": self._stream, "config": configuration}).encode(),
            timeout=_REQUEST_SECONDS,
        )
        answer = json.loads(reply.data)
        if "error" in answer:
            raise UnavailableError(
                f"the bus makes no consumer of stream {self._stream!r}: {answer['error'].get('description')}"
            )
        # Some may be on their way already.
        return int(answer["num_pending"]) + int(answer["delivered"]["consumer_seq"])

    async def _next(self) -> Msg:
        silence = _HEARTBEAT_SECONDS * _MISSED_HEARTBEATS
        try:
            async with asyncio.timeout(silence):
                return await self._arrived.get()
        except TimeoutError:
            raise UnavailableError(f"nothing was heard of stream {self._stream!r} for {silence:g} s") from None

    async def _is_idle(self, message: Msg) -> bool:
        """Whether the server says that it has nothing to send; one that waits for us is let go on."""
        assert message.headers is not None, "a control message has a status"
        continue_subject = message.reply or message.headers.get(Header.CONSUMER_STALLED)
        if continue_subject:
            await self._client.publish(continue_subject)
        sent = message.headers.get(Header.LAST_CONSUMER)
        if sent is not None and int(sent) != self._sequence:
            raise UnavailableError(
                f"the consumer of stream {self._stream!r} has sent {sent} messages, of which {self._sequence} came"
            )
        return not continue_subject

    def _change(self, message: Msg) -> BucketChange:
        sequence = message.metadata.sequence.consumer
        if sequence != self._sequence + 1:
            raise UnavailableError(
                f"message {sequence} of the consumer of stream {self._stream!r} came after message {self._sequence}"
            )
        self._sequence = sequence
        key = message.subject.removeprefix(self._prefix)
        return BucketChange(key, None if _is_removal(message) else message.data, message.metadata.sequence.stream)

    async def _unsubscribe(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            # A connection that is closed, or about to be, has no subscriptions.
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()


def _is_control(message: Msg) -> bool:
    return message.headers is not None and message.headers.get(Header.STATUS) == StatusCode.CONTROL_MESSAGE


def _is_removal(message: Msg) -> bool:
    """Whether a client removed the key, or the server, which gives a reason."""
    headers = message.headers or {}
    return headers.get(KV_OP) in (KV_DEL, KV_PURGE) or KV_MARKER_REASON in headers
