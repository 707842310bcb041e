"""Reads a collection's messages of EMBEDDED in order, from a position that the manifest remembers.

The stream is a write-ahead log here, not a work queue: the consumer is made anew at every start, acknowledges nothing,
and what it delivers is checked for gaps. Why not FastStream: docs/decisions/0004-the-log-is-read-by-position.md.
"""

import logging
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError
from nats.js.errors import FetchTimeoutError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.streams import EMBEDDED
from sightwire.errors import UnavailableError
from sightwire.segments.manifest import Checkpoint
from sightwire_indexer.log_position import StreamState, check_position

logger = logging.getLogger(__name__)

#: Messages that are fetched at once.
_FETCHED_MESSAGES: Final = 64
#: How long one request for messages stays with the server.
_FETCH_SECONDS: Final = 1.0
#: How often the stream itself is looked at.
_CHECK_SECONDS: Final = 5.0
#: The server forgets a consumer that nobody asked for so long.
_CONSUMER_IDLE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class LogMessage:
    """A message of the log; `sequence` is its place in the stream."""

    sequence: int
    subject: str
    payload: bytes
    headers: dict[str, str]


class LogReader:
    """Messages of one collection after `start`. Use as an async context manager.

    Args:
        start: where in the stream to begin, and in which stream.
    """

    def __init__(self, bus: Bus, collection: str, *, start: Checkpoint) -> None:
        self._bus = bus
        self._collection = collection
        self._stream_created_at = start.stream_created_at
        self._position = start.sequence
        self._delivered = 0
        self._subscription: JetStreamContext.PullSubscription | None = None
        self._consumer = ""
        self._checked_at = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._close()

    @property
    def position(self) -> Checkpoint:
        """Up to here every message of the collection was returned by `fetch`."""
        return Checkpoint(sequence=self._position, stream_created_at=self._stream_created_at)

    async def fetch(self) -> list[LogMessage]:
        """What the server has now, or what comes within a second; empty when nothing comes.

        Raises:
            LogMismatchError: the stream is another one, or lost messages that were not read.
            UnavailableError: the bus does not answer; the next call begins again where this one was.
        """
        try:
            if self._subscription is None:
                self._subscription = await self._subscribe()
            elif time.monotonic() - self._checked_at > _CHECK_SECONDS:
                await self._check_position(self._subscription)
            messages = await self._subscription.fetch(_FETCHED_MESSAGES, timeout=_FETCH_SECONDS)
        except (FetchTimeoutError, TimeoutError, NatsTimeoutError):
            return []
        except (NatsError, JetStreamError) as error:
            await self._close()
            raise UnavailableError(f"cannot read EMBEDDED: {error!r}") from error
        return await self._in_order(messages)

    async def _in_order(self, messages: list[Msg]) -> list[LogMessage]:
        """The messages up to the first gap, behind which reading begins anew."""
        received: list[LogMessage] = []
        for message in messages:
            sequence = message.metadata.sequence
            if sequence.consumer != self._delivered + 1:
                logger.warning(
                    "messages of the log were lost on the way, reading them again",
                    extra={"collection": self._collection, "after": self._position},
                )
                await self._close()
                break
            self._delivered = sequence.consumer
            self._position = sequence.stream
            received.append(LogMessage(sequence.stream, message.subject, message.data, message.headers or {}))
        return received

    async def _subscribe(self) -> JetStreamContext.PullSubscription:
        check_position(self._collection, self.position, await read_stream_state(self._bus))
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._position + 1,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=_CONSUMER_IDLE_SECONDS,
            mem_storage=True,
            description=f"indexer of {self._collection}",
        )
        subscription = await self._bus.jetstream.pull_subscribe(
            subjects.embedded_of_collection(self._collection), stream=EMBEDDED.name, config=config
        )
        self._consumer = (await subscription.consumer_info()).name
        self._delivered = 0
        self._checked_at = time.monotonic()
        return subscription

    async def _check_position(self, subscription: JetStreamContext.PullSubscription) -> None:
        """Looks whether stream and consumer are still there and whole; moves on where there is nothing to read.

        A consumer that is gone, because its server was, is as silent as one that has nothing to deliver.
        """
        stream = await read_stream_state(self._bus)
        consumer = await subscription.consumer_info()
        self._checked_at = time.monotonic()
        delivered = consumer.delivered.consumer_seq if consumer.delivered is not None else None
        is_same_stream = stream.created_at == self._stream_created_at
        # The stream was asked first: what came after its answer is not counted as read.
        if is_same_stream and consumer.num_pending == 0 and delivered == self._delivered:
            self._position = max(self._position, stream.last_sequence)
        check_position(self._collection, self.position, stream)

    async def _close(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is None or not self._bus.is_connected:
            return
        try:
            await subscription.unsubscribe()
            await self._bus.jetstream.delete_consumer(EMBEDDED.name, self._consumer)
        except (NatsError, JetStreamError, TimeoutError) as error:
            logger.debug("the server will forget a consumer by itself", extra={"error": repr(error)})


async def read_stream_state(bus: Bus) -> StreamState:
    """EMBEDDED as it is now.

    Raises:
        UnavailableError: the bus does not answer.
    """
    try:
        info = await bus.jetstream.stream_info(EMBEDDED.name)
    except (NatsError, JetStreamError, TimeoutError) as error:
        raise UnavailableError(f"the bus does not describe its stream EMBEDDED: {error!r}") from error
    if info.created is None:
        raise UnavailableError("the bus does not say when its stream EMBEDDED was created")
    return StreamState(info.created, info.state.first_seq, info.state.last_seq)
