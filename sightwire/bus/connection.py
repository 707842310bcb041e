"""A service's connection to NATS for publishing and key-value access; it consumes with `sightwire.bus.broker`."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlparse

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import UnexpectedEOF
from nats.js import JetStreamContext
from nats.js.api import PubAck
from nats.js.errors import APIError, NoStreamResponseError
from nats.js.kv import KeyValue

from sightwire.bus.topology import ensure_topology
from sightwire.contracts.streams import BucketDefinition
from sightwire.ending_tasks import end_tasks
from sightwire.errors import UnavailableError
from sightwire.settings import SharedSettings

logger = logging.getLogger(__name__)

#: Publishes without waiting that may be unacknowledged at once, per connection.
MAX_PENDING_PUBLISHES = 4096
CONNECT_ATTEMPT_SECONDS = 2
RETRY_SECONDS = 0.5
#: Of a NATS server.
DEFAULT_PORT = 4222
#: How long the server may take to store what was published.
ACKNOWLEDGEMENT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message for `Bus.publish_all`."""

    subject: str
    payload: bytes
    headers: dict[str, str]


class PatientClient(Client):
    """A client whose `flush` may be cancelled, and that connects again should its reading end on an error.

    nats-py meets the answer to a flush that nobody waits for any more with an error that ends its reading: the
    connection then looks connected, and is deaf until pings have gone unanswered for minutes.
    """

    async def _read_loop(self) -> None:
        await super()._read_loop()
        reading = asyncio.current_task()
        was_cancelled = reading is not None and reading.cancelling() > 0
        if self.is_connected and not was_cancelled:
            await self._process_op_err(UnexpectedEOF())

    async def _process_pong(self) -> None:
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
            self._pings_outstanding = 0
            return
        await super()._process_pong()


class Bus:
    """A service's connection to the bus.

    Use as an async context manager::

        async with Bus(settings, name="indexer") as bus:
            await bus.publish("index.ready.demo", payload, headers)
    """

    def __init__(self, settings: SharedSettings, *, name: str) -> None:
        self._settings = settings
        self._name = name
        self._client: Client | None = None
        self._jetstream: JetStreamContext | None = None
        self._buckets: dict[str, KeyValue] = {}
        self._closing = False

    @property
    def client(self) -> Client:
        assert self._client is not None, "the bus is not connected"
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        assert self._jetstream is not None, "the bus is not connected"
        return self._jetstream

    @property
    def is_connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    @property
    def server(self) -> tuple[str, int]:
        """Host and port of the server that it is connected to, or else tries first."""
        url = self.client.connected_url or urlparse(server_list(self._settings)[0])
        return url.hostname or "127.0.0.1", url.port or DEFAULT_PORT

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connects, waiting for the server as long as it takes, and creates missing streams and buckets.

        Raises:
            ConfigurationError: the server cannot keep what the platform needs.
        """
        settings = self._settings
        self._client = PatientClient()
        await self._client.connect(
            servers=server_list(settings),
            user=settings.nats_user,
            password=settings.nats_password.get_secret_value() if settings.nats_password else None,
            name=f"sightwire-{self._name}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,  # type: ignore[arg-type]  # whole seconds in the annotation only
            connect_timeout=CONNECT_ATTEMPT_SECONDS,
            error_cb=self._log_error,
            disconnected_cb=self._log_disconnect,
            reconnected_cb=self._log_reconnect,
            flusher_queue_size=MAX_PENDING_PUBLISHES,
            pending_size=64 * 1024 * 1024,
        )
        self._jetstream = self._client.jetstream(publish_async_max_pending=MAX_PENDING_PUBLISHES)
        while True:
            try:
                return await ensure_topology(self._client, replicas=settings.nats_replicas)
            except UnavailableError as error:
                # Servers of a cluster are starting, or electing a leader.
                logger.warning("the bus is not complete yet", extra={"error": error.detail})
                await asyncio.sleep(RETRY_SECONDS)

    async def connect_before(self, stopping: asyncio.Event) -> bool:
        """Connects as `connect` does, unless `stopping` is set before; whether it did."""
        connecting, waiting = asyncio.create_task(self.connect()), asyncio.create_task(stopping.wait())
        await asyncio.wait({connecting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        is_connected = connecting.done()
        await end_tasks(connecting, waiting)
        if is_connected:
            connecting.result()
        return is_connected

    async def close(self) -> None:
        """Flushes what was published and disconnects."""
        if self._client is None or self._client.is_closed:
            return
        self._closing = True
        if self._client.is_connected:
            await self._client.drain()
        else:
            await self._client.close()

    async def publish(
        self, subject: str, payload: bytes, headers: dict[str, str], *, seconds: float = ACKNOWLEDGEMENT_SECONDS
    ) -> PubAck:
        """Publishes to a stream and returns once the server has stored the message.

        Args:
            subject: of the stream.
            payload: of the message.
            headers: likewise.
            seconds: until it is taken for lost.

        Raises:
            UnavailableError: the server did not confirm it; whether it was stored is then unknown.
        """
        try:
            return await self.jetstream.publish(subject, payload, headers=headers, timeout=seconds)
        except (NatsError, APIError, NoStreamResponseError, TimeoutError) as error:
            raise UnavailableError(f"the bus did not store a message for {subject!r}: {error!r}; try again") from error

    async def publish_all(self, messages: Sequence[OutgoingMessage]) -> list[PubAck]:
        """Publishes many messages at once, in order, and waits for all their acknowledgements together.

        Raises:
            UnavailableError: at least one was not confirmed; those before and after it may be stored.
        """
        try:
            futures = [
                await self.jetstream.publish_async(message.subject, message.payload, headers=message.headers)
                for message in messages
            ]
            async with asyncio.timeout(ACKNOWLEDGEMENT_SECONDS):
                return await asyncio.gather(*futures)
        except (NatsError, APIError, NoStreamResponseError, TimeoutError) as error:
            raise UnavailableError(
                f"the bus did not store all of {len(messages)} messages: {error!r}; try again"
            ) from error

    async def bucket(self, definition: BucketDefinition) -> KeyValue:
        """A key-value bucket of the platform."""
        bucket = self._buckets.get(definition.name)
        if bucket is None:
            bucket = self._buckets[definition.name] = await self.jetstream.key_value(definition.name)
        return bucket

    async def _log_error(self, error: Exception) -> None:
        logger.warning("bus error", extra={"error": repr(error)})

    async def _log_disconnect(self) -> None:
        if not self._closing:
            logger.warning("bus disconnected")

    async def _log_reconnect(self) -> None:
        logger.info("bus reconnected")


def server_list(settings: SharedSettings) -> list[str]:
    """Addresses in `nats_url`."""
    return [server.strip() for server in settings.nats_url.split(",") if server.strip()]
