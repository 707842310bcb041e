"""A worker: takes orders of the types that it knows, as many at once as it has room for, and answers each."""

import asyncio
import logging
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Final

from nats.aio.msg import Msg
from pydantic import ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import bury
from sightwire.contracts import subjects
from sightwire.contracts.pipelines import AttemptAbandoned, TaskOrder, TaskResult, attempt_id
from sightwire.ending_tasks import end_tasks
from sightwire.errors import UnavailableError
from sightwire_orchestrator.tasks.carrying_out import carry_out
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.handler_versions import handlers_of, version_of
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import TaskResources
from sightwire_orchestrator.workers import metrics
from sightwire_orchestrator.workers.delivery import ACK_WAIT_SECONDS, finish, give_back, kept_alive
from sightwire_orchestrator.workers.progress import progress_of
from sightwire_orchestrator.workers.pulling import pull_orders
from sightwire_orchestrator.workers.results import failure, publish_result, success, worker_name
from sightwire_orchestrator.workers.room import Room
from sightwire_orchestrator.workers.spans import attempt_span, note_outcome

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 1.0
#: Abandoned attempts that are remembered, whose orders may be on their way to here.
_MOST_ABANDONED: Final = 10_000


class Worker:
    """Call `run` once.

    Args:
        bus: connected.
        resources: what all tasks share.
        handlers: of the types that it takes.
        types: those of the handlers' that it takes; None: all.
        concurrency: tasks at once.
    """

    def __init__(
        self,
        bus: Bus,
        resources: TaskResources,
        handlers: HandlerRegistry,
        *,
        types: tuple[str, ...] | None = None,
        concurrency: int,
    ) -> None:
        self._bus = bus
        self._resources = resources
        self._handlers = handlers
        self._types = handlers.types if types is None else types
        self._room = Room(concurrency, queues=len(self._types))
        self._name = worker_name()
        self._working: set[asyncio.Task[None]] = set()
        self._attempts: dict[str, TaskContext] = {}
        self._abandoned: OrderedDict[str, None] = OrderedDict()

    async def run(self, stopping: asyncio.Event, *, drain_seconds: float) -> None:
        """Takes orders until `stopping` is set, then ends those that it has; what is not done in time others take up.

        Raises:
            UnknownTaskTypeError: there is no handler for one of the types.
        """
        for task_type in self._types:
            self._handlers.get(task_type)
        abandoning = await self._bus.client.subscribe(subjects.CONTROL_WORKERS, cb=self._abandon)
        pulling = [
            asyncio.create_task(pull_orders(self._bus, task_type, self._room, self._begin, stopping))
            for task_type in self._types
        ]
        try:
            await asyncio.gather(*pulling)
            if self._working:
                await asyncio.wait(self._working, timeout=drain_seconds)
        finally:
            await end_tasks(*pulling)
            await end_tasks(*self._working)
            if self._bus.is_connected:
                await abandoning.unsubscribe()

    def _begin(self, message: Msg) -> None:
        working = asyncio.create_task(self._answer(message))
        self._working.add(working)
        working.add_done_callback(self._end)

    def _end(self, working: asyncio.Task[None]) -> None:
        self._working.discard(working)
        self._room.leave()
        if not working.cancelled() and (error := working.exception()) is not None:
            # The bus delivers the order again when its time for an answer is over.
            logger.error("cannot answer an order", exc_info=error)

    async def _answer(self, message: Msg) -> None:
        try:
            order = TaskOrder.model_validate_json(message.data)
        except ValidationError as error:
            await self._bury(message, error)
            return
        attempt = attempt_id(order)
        if attempt in self._abandoned:
            await finish(message)
        elif attempt in self._attempts:
            # It was silent for too long, as the bus was away, and is still at it.
            await give_back(message, delay_seconds=ACK_WAIT_SECONDS)
        else:
            with kept_alive(message), attempt_span(order, message.headers or {}):
                await self._answer_order(message, order, attempt)

    async def _answer_order(self, message: Msg, order: TaskOrder, attempt: str) -> None:
        progress = progress_of(order, self._bus)
        context = TaskContext.of(order, self._resources, self._handlers, on_progress=progress.tell)
        self._attempts[attempt] = context
        try:
            result = await self._carry_out(context, order)
            if attempt not in self._abandoned:
                await self._publish(order, result)
        except asyncio.CancelledError:
            await give_back(message)
            raise
        finally:
            progress.end()
            del self._attempts[attempt]
        await finish(message)

    async def _carry_out(self, context: TaskContext, order: TaskOrder) -> TaskResult:
        started_at = datetime.now(UTC)
        try:
            # An order that killed each worker that took it must end at some time, too.
            context.raise_if_cancelled()
            output = await carry_out(context, order.parameters)
        except Exception as error:
            result = failure(order, error, worker=self._name, started_at=started_at)
            logger.info("a task failed", extra={"attempt": attempt_id(order), "error": repr(error)})
        else:
            version = version_of(self._handlers, handlers_of(order)) or ""
            result = success(order, output, worker=self._name, started_at=started_at, handler_version=version)
        metrics.count_attempt(order.type, result)
        note_outcome(result)
        return result

    async def _publish(self, order: TaskOrder, result: TaskResult) -> None:
        while True:
            try:
                await publish_result(self._bus, order, result)
            except UnavailableError as error:
                logger.warning("a result cannot be told now", extra={"attempt": attempt_id(order), "error": str(error)})
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def _abandon(self, message: Msg) -> None:
        try:
            attempt = attempt_id(AttemptAbandoned.model_validate_json(message.data))
        except ValidationError as error:
            logger.warning("not an AttemptAbandoned", extra={"subject": message.subject, "error": str(error)})
            return
        self._abandoned[attempt] = None
        if len(self._abandoned) > _MOST_ABANDONED:
            self._abandoned.popitem(last=False)
        context = self._attempts.get(attempt)
        if context is not None:
            context.cancelled.set()

    async def _bury(self, message: Msg, error: ValidationError) -> None:
        await bury(
            self._bus,
            original_subject=message.subject,
            payload=message.data,
            headers=message.headers,
            service="worker",
            code="invalid-input",
            reason=f"not a TaskOrder: {error}",
            original_sequence=message.metadata.sequence.stream,
        )
        await finish(message)
