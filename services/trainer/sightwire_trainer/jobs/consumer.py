"""Takes requests off the bus, as many at once as are to be carried out."""

import asyncio
import logging
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.client import JetStreamContext
from nats.js.errors import APIError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.streams import TRAINER_CONSUMER, TRAINING
from sightwire.ending_tasks import end_tasks
from sightwire_trainer.jobs.delivery import ACK_WAIT_SECONDS, RequestDelivery
from sightwire_trainer.jobs.desk import TrainingDesk

logger = logging.getLogger(__name__)

#: How long one request for messages stays with the server; after a reconnect nothing comes for so long at most.
_FETCH_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 1.0


class RequestConsumer:
    """Pulls requests from the durable consumer that all trainers share."""

    def __init__(self, bus: Bus, desk: TrainingDesk, *, runs_at_once: int) -> None:
        self._bus = bus
        self._desk = desk
        self._room = asyncio.Semaphore(runs_at_once)
        self._answering: set[asyncio.Task[None]] = set()

    async def take_requests(self) -> None:
        """Takes a request whenever there is room for a run, until cancelled; those that were taken go on."""
        subscription: JetStreamContext.PullSubscription | None = None
        while True:
            async with self._room:
                pass
            try:
                subscription = subscription or await self._subscribe()
                [message] = await subscription.fetch(1, timeout=_FETCH_SECONDS)
            except TimeoutError:
                continue
            except (NatsError, APIError) as error:
                logger.warning("no requests can be taken now", extra={"error": repr(error)})
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            await self._room.acquire()
            self._begin(message)

    async def drain(self, seconds: float) -> None:
        """Interrupts all runs; kills those that have not ended in time. All requests are answered for afterwards."""
        self._desk.interrupt()
        if not self._answering:
            return
        _, late = await asyncio.wait(self._answering, timeout=seconds)
        if late:
            logger.warning("runs take too long to end, and go on from an earlier checkpoint", extra={"runs": len(late)})
            self._desk.kill()
            _, late = await asyncio.wait(late, timeout=seconds or 1.0)
        # Those that still wait for a bus that is away; it will deliver their requests again.
        await end_tasks(*late)

    def _begin(self, message: Msg) -> None:
        task = asyncio.create_task(self._desk.answer_for(RequestDelivery(message)))
        self._answering.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._answering.discard(task)
        self._room.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The bus delivers the request again when its time for an answer is over.
            logger.error("cannot answer for a request", exc_info=error)

    async def _subscribe(self) -> JetStreamContext.PullSubscription:
        return await self._bus.jetstream.pull_subscribe(
            subjects.TRAINING_REQUESTED,
            durable=TRAINER_CONSUMER,
            stream=TRAINING.name,
            config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=ACK_WAIT_SECONDS, max_deliver=-1),
        )
