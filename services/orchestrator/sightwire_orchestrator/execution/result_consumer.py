"""Hears what workers say became of their attempts."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, NotFoundError
from pydantic import ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import bury
from sightwire.contracts import subjects
from sightwire.contracts.pipelines import TaskResult
from sightwire.contracts.streams import ORCHESTRATOR_CONSUMER, TASKS
from sightwire.errors import UnavailableError
from sightwire_orchestrator.runs.state import Run

logger = logging.getLogger(__name__)

#: A result that is not stored in this time is delivered again, which changes nothing.
_ACK_WAIT_SECONDS: Final = 30.0
_CATCH_UP_SECONDS: Final = 5.0
_WATCH_SECONDS: Final = 2.0

#: Has a result stored. The future is done when it is; None: nobody waits for it.
TakeResult = Callable[[TaskResult], "asyncio.Future[Run] | None"]


class ResultConsumer:
    """Results for the active orchestrator of one term. A result leaves the stream when it is stored with its run."""

    def __init__(self, bus: Bus, take: TakeResult) -> None:
        self._bus = bus
        self._take = take
        self._inbox = bus.client.new_inbox()
        self._subscription: Subscription | None = None
        self._answering: set[asyncio.Future[None]] = set()
        self._waiting = 0
        self._caught_up = asyncio.Event()
        self._reconnects_before = self._reconnects

    async def start(self) -> None:
        """Begins, anew for each term: what a predecessor was given and has not answered for comes at once.

        Raises:
            UnavailableError: the bus is away.
        """
        bus = self._bus
        try:
            with suppress(NotFoundError):
                await bus.jetstream.delete_consumer(TASKS.name, ORCHESTRATOR_CONSUMER)
            self._subscription = await bus.client.subscribe(self._inbox, cb=self._hear)
            # What waits is counted before the consumer begins with it.
            self._waiting = await self._count_waiting()
            if not self._waiting:
                self._caught_up.set()
            await bus.jetstream.add_consumer(
                TASKS.name,
                ConsumerConfig(
                    durable_name=ORCHESTRATOR_CONSUMER,
                    deliver_subject=self._inbox,
                    deliver_policy=DeliverPolicy.ALL,
                    filter_subject=subjects.TASK_RESULTS_ALL,
                    ack_policy=AckPolicy.EXPLICIT,
                    ack_wait=_ACK_WAIT_SECONDS,
                    max_deliver=-1,
                    max_ack_pending=-1,
                ),
            )
        except (NatsError, APIError, TimeoutError) as error:
            raise UnavailableError(f"the bus does not deliver results: {error!r}; try again") from error

    async def caught_up(self) -> None:
        """Returns when all results that waited at the start were given to `take`."""
        try:
            async with asyncio.timeout(_CATCH_UP_SECONDS):
                await self._caught_up.wait()
        except TimeoutError:
            # A predecessor that still lived may have answered for some of them meanwhile.
            logger.info("fewer results came than waited", extra={"missing": self._waiting})

    async def watch(self) -> None:
        """Returns never.

        Raises:
            UnavailableError: results do not come here any more.
        """
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if self._reconnects != self._reconnects_before:
                # The stream is flushed later than it acknowledges: a server that crashed may have lost orders and
                # results. The next term compares the queue with what it knows.
                raise UnavailableError("the bus was away, and may have lost orders")
            try:
                consumer = await self._bus.jetstream.consumer_info(TASKS.name, ORCHESTRATOR_CONSUMER)
            except NotFoundError:
                raise UnavailableError("the bus has lost its consumer of results") from None
            except (NatsError, APIError, TimeoutError):
                continue  # the lease tells when this takes too long
            if consumer.config.deliver_subject != self._inbox:
                raise UnavailableError("results are delivered to another orchestrator")

    async def stop(self) -> None:
        """Ends; what was not answered for comes again."""
        if self._subscription is None:
            return
        # While the bus is away there is nothing to give back: the subscription ends with the connection.
        with suppress(NatsError):
            await self._subscription.unsubscribe()

    @property
    def _reconnects(self) -> int:
        return int(self._bus.client.stats["reconnects"])

    async def _count_waiting(self) -> int:
        info = await self._bus.jetstream.stream_info(TASKS.name, subjects_filter=subjects.TASK_RESULTS_ALL)
        return sum((info.state.subjects or {}).values())

    async def _hear(self, message: Msg) -> None:
        try:
            result = TaskResult.model_validate_json(message.data)
        except ValidationError as error:
            await self._bury(message, error)
        else:
            stored = self._take(result)
            if stored is None:
                await _acknowledge(message)
            else:
                stored.add_done_callback(lambda done: self._answer(message, done))
        self._waiting -= 1
        if self._waiting <= 0:
            self._caught_up.set()

    def _answer(self, message: Msg, stored: "asyncio.Future[Run]") -> None:
        if stored.cancelled() or stored.exception() is not None:
            return
        answering = asyncio.ensure_future(_acknowledge(message))
        self._answering.add(answering)
        answering.add_done_callback(self._answering.discard)

    async def _bury(self, message: Msg, error: ValidationError) -> None:
        try:
            await bury(
                self._bus,
                original_subject=message.subject,
                payload=message.data,
                headers=message.headers,
                service="orchestrator",
                code="invalid-input",
                reason=f"not a TaskResult: {error}",
                original_sequence=message.metadata.sequence.stream,
            )
        except UnavailableError as unavailable:
            logger.warning("a result cannot be buried now", extra={"error": str(unavailable)})
            return
        await _acknowledge(message)


async def _acknowledge(message: Msg) -> None:
    # While the bus is away it comes again, and changes nothing.
    with suppress(NatsError):
        await message.ack()
