"""Works on many deliveries at once and answers for each on its own: acknowledged, tried again, or buried."""

import asyncio
import contextlib
import functools
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from nats.errors import Error as NatsError
from opentelemetry import trace

from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IngestEvent, ItemState, ItemStatus, Operation
from sightwire.ending_tasks import end_tasks
from sightwire.errors import SightwireError
from sightwire.telemetry.tracing import TRACEPARENT, context_from, is_tracing, traceparent_of, tracer
from sightwire.v1 import events_pb2
from sightwire_embedder.ingest.batch_answers import taken_apart
from sightwire_embedder.ingest.delivery import IngestDelivery, parse_event, readable_id
from sightwire_embedder.ingest.outbox import Destination, Outbox, OutgoingItem, SendStatus, require_storable
from sightwire_embedder.ingest.retry import Bury, NeverAnsweredError, RetryPolicy, verdict

logger = logging.getLogger(__name__)
_tracer = tracer(__name__)

#: Time in which the bus expects an answer for a delivery, or word that it is still being worked on.
ACK_WAIT_SECONDS: Final = 10.0
_PROGRESS_INTERVAL_SECONDS: Final = ACK_WAIT_SECONDS / 3
#: Events of a message that are worked on before others get a turn on the event loop.
_WITHOUT_PAUSE: Final = 16

EmbedItem = Callable[[IngestEvent, CollectionRecord, int], Awaitable[events_pb2.EmbeddedItem]]
FindCollection = Callable[[str], Awaitable[CollectionRecord]]


class BuryDelivery(Protocol):
    """Puts a delivery into the dead-letter queue; raises when the queue did not take it."""

    def __call__(self, delivery: IngestDelivery, code: str, reason: str) -> Awaitable[None]: ...


class CountOutcome(Protocol):
    """Told what became of deliveries: embedded, retried or buried."""

    def __call__(self, outcome: str, deliveries: int = 1) -> None: ...


class IngestPipeline:
    """From deliveries to embedded items in the bus. Use as an async context manager; leaving it drains."""

    def __init__(
        self,
        *,
        embed: EmbedItem,
        find_collection: FindCollection,
        outbox: Outbox,
        send_status: SendStatus,
        bury: BuryDelivery,
        count_outcome: CountOutcome,
        retry_policy: RetryPolicy,
        max_in_flight: int,
        drain_seconds: float,
    ) -> None:
        self._embed = embed
        self._find_collection = find_collection
        self._outbox = outbox
        self._send_status = send_status
        self._bury = bury
        self._count_outcome = count_outcome
        self._retry_policy = retry_policy
        self._max_in_flight = max_in_flight
        self._room = asyncio.Semaphore(max_in_flight)
        self._drain_seconds = drain_seconds
        #: Deliveries that nobody has answered for yet, those that wait for room included.
        self._unanswered: set[IngestDelivery] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._progress_task: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """Deliveries that were accepted and not answered yet."""
        return len(self._unanswered)

    async def __aenter__(self) -> Self:
        self._progress_task = asyncio.create_task(self._report_progress_for_ever(), name="ingest-progress")
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Finishes what it can in time, and gives the rest back to the bus at once."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._drain_seconds)
        await end_tasks(*self._tasks)
        if self._progress_task is not None:
            await end_tasks(self._progress_task)
        for delivery in list(self._unanswered):
            await self._try_again(delivery, 0.0)

    async def accept(self, messages: Sequence[IngestDelivery]) -> None:
        """Starts work on all deliveries; returns when the last has begun, so that a full pipeline slows its source.

        Args:
            messages: each with one event or several; see `taken_apart`.
        """
        self._unanswered.update(messages)
        for message in messages:
            # One at a time: queries are answered on this event loop, too.
            deliveries = taken_apart(message)
            self._unanswered.discard(message)
            self._unanswered.update(deliveries)
            for group in _groups(deliveries):
                await self._begin(group)

    async def _begin(self, group: Sequence[IngestDelivery]) -> None:
        places = min(len(group), self._max_in_flight)
        for _ in range(places):
            await self._room.acquire()
        work = self._process(group[0]) if len(group) == 1 else self._process_together(group)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._finish, group, places))

    def _finish(self, group: Sequence[IngestDelivery], places: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        for _ in range(places):
            self._room.release()
        if task.cancelled():
            return  # draining gives the deliveries back
        self._unanswered.difference_update(group)
        if (error := task.exception()) is not None:
            # The bus delivers it again when its time for an answer is over.
            logger.error("cannot answer for a delivery", exc_info=error)

    async def _process_together(self, group: Sequence[IngestDelivery]) -> None:
        """Events of one message without spans. One after the other, as none of them has to wait; published at once."""
        embedded: list[tuple[IngestDelivery, OutgoingItem]] = []
        failed: list[tuple[IngestDelivery, Exception]] = []
        for number, delivery in enumerate(group):
            if number % _WITHOUT_PAUSE == 0:
                await asyncio.sleep(0)
            try:
                embedded.append((delivery, await self._embedded(delivery, trace.INVALID_SPAN)))
            except Exception as error:
                failed.append((delivery, error))
        try:
            await self._outbox.put(*(item for _, item in embedded))
        except Exception as bus_error:
            failed += [(delivery, bus_error) for delivery, _ in embedded]
            embedded.clear()
        for delivery, _ in embedded:
            await delivery.message.ack()
        self._count_outcome("embedded", len(embedded))
        for delivery, reason in failed:
            await self._answer_failure(delivery, reason, trace.INVALID_SPAN)

    async def _process(self, delivery: IngestDelivery) -> None:
        with _tracer.start_as_current_span(
            "embed item",
            context=context_from(delivery.headers.get(TRACEPARENT)),
            kind=trace.SpanKind.CONSUMER,
            attributes={"messaging.destination.name": delivery.subject, "sightwire.version": delivery.sequence},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                await self._outbox.put(await self._embedded(delivery, span))
            except Exception as error:
                await self._answer_failure(delivery, error, span)
            else:
                await delivery.message.ack()
                self._count_outcome("embedded")

    async def _embedded(self, delivery: IngestDelivery, span: trace.Span) -> OutgoingItem:
        if delivery.deliveries > self._retry_policy.max_deliveries:
            # It never got as far as an error: something in it may kill the process.
            raise NeverAnsweredError(
                f"delivered {delivery.deliveries - 1} times, and each time the embedder stopped before answering"
            )
        event = parse_event(delivery.payload)
        record = await self._find_collection(delivery.collection)
        item = await self._embed(event, record, delivery.sequence)
        item.traceparent = traceparent_of(span)
        require_storable(item)
        status = ItemStatus(
            collection=delivery.collection,
            id=event.id,
            state=ItemState.EMBEDDED,
            version=delivery.sequence,
            objects=len(item.objects) if event.operation is Operation.PUT else None,
        )
        return OutgoingItem(Destination(record.name, record.uid, record.space), item, status)

    async def _answer_failure(self, delivery: IngestDelivery, error: Exception, span: trace.Span) -> None:
        if not isinstance(error, SightwireError):
            logger.error("an ingest event failed unexpectedly", exc_info=error, extra={"sequence": delivery.sequence})
        span.set_status(trace.StatusCode.ERROR, str(error))
        fate = verdict(error, delivery.deliveries, self._retry_policy, random.random())  # noqa: S311  not a secret
        if isinstance(fate, Bury):
            try:
                await self._bury_delivery(delivery, fate)
                return
            except SightwireError as bus_error:
                logger.warning("cannot bury an event now", extra={"reason": str(bus_error)})
                fate = verdict(bus_error, 1, self._retry_policy, random.random())  # noqa: S311
        delay = 0.0 if isinstance(fate, Bury) else fate.delay_seconds
        logger.info(
            "an ingest event will be tried again",
            extra={"sequence": delivery.sequence, "seconds": delay, "reason": str(error)},
        )
        self._count_outcome("retried")
        await self._try_again(delivery, delay)

    async def _bury_delivery(self, delivery: IngestDelivery, fate: Bury) -> None:
        logger.info(
            "an ingest event was buried",
            extra={"subject": delivery.subject, "sequence": delivery.sequence, "reason": fate.reason},
        )
        await self._bury(delivery, fate.code, fate.reason)
        item_id = readable_id(delivery.payload, delivery.collection)
        if item_id is not None:
            await self._send_status(
                ItemStatus(
                    collection=delivery.collection,
                    id=item_id,
                    state=ItemState.FAILED,
                    version=delivery.sequence,
                    reason=fate.reason,
                )
            )
        await delivery.message.ack()
        self._count_outcome("buried")

    async def _try_again(self, delivery: IngestDelivery, delay_seconds: float) -> None:
        # Without a connection the bus delivers it again by itself, when its time for an answer is over.
        with contextlib.suppress(NatsError):
            await delivery.message.nak(delay=delay_seconds or None)

    async def _report_progress_for_ever(self) -> None:
        """Tells the bus about what takes long, so that it is not delivered a second time."""
        while True:
            unanswered_before = set(self._unanswered)
            await asyncio.sleep(_PROGRESS_INTERVAL_SECONDS)
            for delivery in unanswered_before & self._unanswered:
                # It may be answered at this moment, or the bus may be away, which will deliver it again.
                with contextlib.suppress(NatsError):
                    await delivery.message.in_progress()


def _groups(deliveries: Sequence[IngestDelivery]) -> list[Sequence[IngestDelivery]]:
    """What of a message is worked on together: everything, unless its events are traced each on its own."""
    is_traced = is_tracing() or any(TRACEPARENT in delivery.headers for delivery in deliveries)
    return [[delivery] for delivery in deliveries] if is_traced else [deliveries]
