"""Takes messages off the bus, while there is room for them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.client import JetStreamContext
from nats.js.errors import APIError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.streams import TASKS, worker_consumer
from sightwire.ending_tasks import end_tasks
from sightwire_orchestrator.workers.delivery import ACK_WAIT_SECONDS, give_back
from sightwire_orchestrator.workers.room import Room

logger = logging.getLogger(__name__)

#: How long one request for an order stays with the server; after a reconnect nothing comes for so long at most.
_FETCH_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 1.0


Subscribe = Callable[[], Awaitable[JetStreamContext.PullSubscription]]


async def pull_orders(
    bus: Bus, task_type: str, room: Room, begin: Callable[[Msg], None], stopping: asyncio.Event
) -> None:
    """Pulls orders of a type from the consumer that all workers share; see `pull`."""

    async def subscribe() -> JetStreamContext.PullSubscription:
        return await bus.jetstream.pull_subscribe(
            subjects.tasks(task_type),
            durable=worker_consumer(task_type),
            stream=TASKS.name,
            config=ConsumerConfig(
                ack_policy=AckPolicy.EXPLICIT, ack_wait=ACK_WAIT_SECONDS, max_deliver=-1, max_ack_pending=-1
            ),
        )

    await pull(subscribe, room, begin, stopping)


async def pull(subscribe: Subscribe, room: Room, begin: Callable[[Msg], None], stopping: asyncio.Event) -> None:
    """Gives each message to `begin`, with a place taken for it, until `stopping` is set."""
    stopped = asyncio.create_task(stopping.wait())
    subscription: JetStreamContext.PullSubscription | None = None
    try:
        while not stopping.is_set():
            try:
                subscription = subscription or await subscribe()
                message = await _next(subscription, room, stopped)
            except TimeoutError:
                continue
            except (NatsError, APIError) as error:
                logger.warning("nothing can be taken off the bus now", extra={"error": repr(error)})
                await asyncio.wait({stopped}, timeout=_RETRY_SECONDS)
                await _left(subscription)
                subscription = None
                continue
            if message is None:
                continue
            if stopping.is_set() or not room.enter():
                # Others may have room at once; here the places went to messages of other subscriptions.
                await give_back(message)
            else:
                begin(message)
    finally:
        await end_tasks(stopped)
        await _left(subscription)


async def _left(subscription: JetStreamContext.PullSubscription | None) -> None:
    if subscription is None:
        return
    # While the bus is away there is nothing to give back: the subscription ends with the connection.
    with suppress(NatsError):
        await subscription.unsubscribe()


async def _next(
    subscription: JetStreamContext.PullSubscription, room: Room, stopped: "asyncio.Task[bool]"
) -> Msg | None:
    """The next message; None: look again whether there is room.

    Raises:
        TimeoutError: there is none.
        NatsError, APIError: the bus is away.
    """
    if room.is_full:
        entering = asyncio.create_task(room.wait())
        await asyncio.wait({entering, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await end_tasks(entering)
        return None
    # Not cancelled when the worker is to stop: a message that came at that moment would be lost until its time is over.
    [message] = await subscription.fetch(1, timeout=_FETCH_SECONDS)
    return message
