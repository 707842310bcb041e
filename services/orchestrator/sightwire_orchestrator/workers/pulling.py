"""Takes messages off the bus, while there is room for them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import APIError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.streams import TASKS, worker_consumer
from sightwire.ending_tasks import end_tasks
from sightwire_orchestrator.workers.delivery import ACK_WAIT_SECONDS, give_back
from sightwire_orchestrator.workers.queue import OpenQueue
from sightwire_orchestrator.workers.room import Room

logger = logging.getLogger(__name__)

#: How long one request for orders stays with the server; after a reconnect nothing comes for so long at most.
_TAKE_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 1.0


async def pull_orders(
    bus: Bus, task_type: str, room: Room, begin: Callable[[Msg], None], stopping: asyncio.Event
) -> None:
    """Pulls orders of a type from the consumer that all workers share; see `pull`."""

    async def open_queue() -> OpenQueue:
        config = ConsumerConfig(
            durable_name=worker_consumer(task_type),
            filter_subject=subjects.tasks(task_type),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_SECONDS,
            max_deliver=-1,
            max_ack_pending=-1,
        )
        return await OpenQueue.open(bus, TASKS.name, config)

    await pull(open_queue, room, begin, stopping)


async def pull(
    open_queue: Callable[[], Awaitable[OpenQueue]], room: Room, begin: Callable[[Msg], None], stopping: asyncio.Event
) -> None:
    """Gives each message to `begin`, with a place taken for it, until `stopping` is set."""
    stopped = asyncio.create_task(stopping.wait())
    queue: OpenQueue | None = None
    try:
        while not stopping.is_set():
            try:
                queue = queue or await open_queue()
                messages = await _some(queue, room, stopped)
            except (NatsError, APIError, TimeoutError) as error:
                logger.warning("nothing can be taken off the bus now", extra={"error": repr(error)})
                await asyncio.wait({stopped}, timeout=_RETRY_SECONDS)
                await _close(queue)
                queue = None
                continue
            for message in messages:
                if stopping.is_set() or not room.enter():
                    # Others may have room at once; here the places went to messages of other queues.
                    await give_back(message)
                else:
                    begin(message)
    finally:
        await end_tasks(stopped)
        await _close(queue)


async def _close(queue: OpenQueue | None) -> None:
    if queue is None:
        return
    # While the bus is away there is nothing to give back: the subscription ends with the connection.
    with suppress(NatsError):
        await queue.close()


async def _some(queue: OpenQueue, room: Room, stopped: "asyncio.Task[bool]") -> list[Msg]:
    """Messages for which there is room now; none: look again.

    Raises:
        NatsError, APIError, TimeoutError: the bus is away.
    """
    if room.is_full:
        entering = asyncio.create_task(room.wait())
        await asyncio.wait({entering, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await end_tasks(entering)
        return []
    # Not cancelled when the worker is to stop: a message that came at that moment would be lost until its time is over.
    return await queue.take(room.share, _TAKE_SECONDS)
