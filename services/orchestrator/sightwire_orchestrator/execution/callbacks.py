"""Tells those whom definitions name of the ends of their runs, by webhooks."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from pydantic import ValidationError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.pipelines import PipelineDefinition, PipelineRunEnded, PipelineRunState
from sightwire.contracts.streams import CALLBACKS_CONSUMER, PIPELINES
from sightwire.ending_tasks import end_tasks
from sightwire.errors import NotFoundError, SightwireError, UnavailableError
from sightwire.lasting_tasks import start_lasting
from sightwire_orchestrator.callbacks.webhooks import Webhook, WebhookSender
from sightwire_orchestrator.execution import metrics
from sightwire_orchestrator.execution.endings import ENDED
from sightwire_orchestrator.storage.pipeline_store import PipelineStore
from sightwire_orchestrator.workers.delivery import ACK_WAIT_SECONDS, finish, give_back, kept_alive
from sightwire_orchestrator.workers.pulling import pull
from sightwire_orchestrator.workers.queue import OpenQueue
from sightwire_orchestrator.workers.room import Room

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 16
_RETRY_SECONDS: Final = 5.0


class CallbackSender:
    """Takes the ends of runs from their stream; one leaves the consumer when all its webhooks are sent or given up."""

    def __init__(self, bus: Bus, pipelines: PipelineStore, webhooks: WebhookSender) -> None:
        self._bus = bus
        self._pipelines = pipelines
        self._webhooks = webhooks
        self._room = Room(_AT_ONCE)
        self._telling: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Sends while the block runs; what is not done then is done later, here or elsewhere."""
        never = asyncio.Event()
        pulling = start_lasting(pull(self._open_queue, self._room, self._begin, never), name="callbacks")
        try:
            yield
        finally:
            await end_tasks(pulling)
            await end_tasks(*self._telling)

    async def _open_queue(self) -> OpenQueue:
        config = ConsumerConfig(
            durable_name=CALLBACKS_CONSUMER,
            filter_subject=subjects.PIPELINES_ENDED_ALL,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_SECONDS,
            max_deliver=-1,
        )
        return await OpenQueue.open(self._bus, PIPELINES.name, config)

    def _begin(self, message: Msg) -> None:
        telling = asyncio.create_task(self._tell_and_answer(message))
        self._telling.add(telling)
        telling.add_done_callback(self._end)

    def _end(self, telling: "asyncio.Task[None]") -> None:
        self._telling.discard(telling)
        self._room.leave()
        if not telling.cancelled() and (error := telling.exception()) is not None:
            logger.error("callbacks of a run failed, and are tried again", exc_info=error)

    async def _tell_and_answer(self, message: Msg) -> None:
        try:
            ended = PipelineRunEnded.model_validate_json(message.data)
        except ValidationError as error:
            logger.warning("not a PipelineRunEnded", extra={"subject": message.subject, "error": str(error)})
            await finish(message)
            return
        with kept_alive(message):
            try:
                await self._tell(ended)
            except UnavailableError as error:
                logger.warning("callbacks cannot be sent now", extra={"run": ended.run, "error": str(error)})
                await give_back(message, delay_seconds=_RETRY_SECONDS)
                return
        await finish(message)

    async def _tell(self, ended: PipelineRunEnded) -> None:
        try:
            definition = (await self._pipelines.get(ended.pipeline, ended.version)).definition
        except NotFoundError as error:
            logger.warning("no callbacks are known of a run", extra={"run": ended.run, "error": str(error)})
            return
        await asyncio.gather(*map(self._send, webhooks_of(definition, ended)))

    async def _send(self, webhook: Webhook) -> None:
        try:
            await self._webhooks.send(webhook)
        except SightwireError as error:
            # It has tried as often as it may.
            metrics.count_callback("failed")
            logger.warning("a callback is given up", extra={"url": webhook.url, "id": webhook.id, "error": str(error)})
        else:
            metrics.count_callback("sent")


def webhooks_of(definition: PipelineDefinition, ended: PipelineRunEnded) -> Iterator[Webhook]:
    """What is to be sent of the end of a run. A run that was cancelled counts as one with an error."""
    has_succeeded = ended.state is PipelineRunState.SUCCEEDED
    for position, callback in enumerate(definition.on_completion if has_succeeded else definition.on_error):
        yield Webhook(
            url=callback.url,
            id=f"{ended.run}.{ended.sequence}.{position}",
            type=ENDED,
            data=ended.model_dump(mode="json"),
            key=callback.secret,
            occurred_at=ended.ended_at,
        )
