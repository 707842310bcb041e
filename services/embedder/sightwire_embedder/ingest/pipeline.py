"""Works on many deliveries at once and answers for each on its own: acknowledged, tried again, or buried."""

import asyncio
import contextlib
import functools
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Final, Self

from nats.errors import Error as NatsError
from opentelemetry import trace

from sightwire.ending_tasks import end_tasks
from sightwire.errors import SightwireError
from sightwire.lasting_tasks import start_lasting
from sightwire.telemetry.tracing import TRACEPARENT, context_from, is_tracing, traceparent_of, tracer
from sightwire_embedder.ingest.attempts import AttemptLog
from sightwire_embedder.ingest.delivery import IngestDelivery
from sightwire_embedder.ingest.item_work import ItemWork, MadeItem
from sightwire_embedder.ingest.outbox import Outbox, require_storable
from sightwire_embedder.ingest.retry import Bury, NeverAnsweredError, RetryPolicy, verdict

logger = logging.getLogger(__name__)
_tracer = tracer(__name__)

#: Time in which the bus expects an answer for a delivery, or word that it is still being worked on.
ACK_WAIT_SECONDS: Final = 10.0
_PROGRESS_INTERVAL_SECONDS: Final = ACK_WAIT_SECONDS / 3
#: Events of a message that are worked on before others get a turn on the event loop.
_WITHOUT_PAUSE: Final = 16

#: While a pipeline has more to do than this, those that stand back for it wait.
_LITTLE_WORK: Final = 8

MayBegin = Callable[[], Awaitable[None]]


class ItemPipeline:
    """From deliveries to embedded items in the bus. Use as an async context manager; leaving it drains."""

    def __init__(
        self,
        work: ItemWork,
        outbox: Outbox,
        attempts: AttemptLog,
        *,
        retry_policy: RetryPolicy,
        max_in_flight: int,
        drain_seconds: float,
        may_begin: MayBegin | None = None,
    ) -> None:
        """
        Args:
            work: what is done with deliveries.
            outbox: where items are published.
            attempts: knows which deliveries the process died of.
            max_in_flight: deliveries that are worked on at once.
            drain_seconds: how long leaving waits for those.
            may_begin: returns when something may be begun; none: always.
        """
        self._work = work
        self._outbox = outbox
        self._attempts = attempts
        self._may_begin = may_begin
        self._retry_policy = retry_policy
        self._max_in_flight = max_in_flight
        self._room = asyncio.Semaphore(max_in_flight)
        self._drain_seconds = drain_seconds
        #: Deliveries that nobody has answered for yet, those that wait for room included.
        self._unanswered: set[IngestDelivery] = set()
        self._is_calm = asyncio.Event()
        self._is_calm.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._progress_task: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """Deliveries that were accepted and not answered yet."""
        return len(self._unanswered)

    async def __aenter__(self) -> Self:
        self._progress_task = start_lasting(self._report_progress_for_ever(), name="ingest-progress")
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

    async def wait_until_calm(self) -> None:
        """Returns when there is little to do."""
        await self._is_calm.wait()

    async def accept(self, messages: Sequence[IngestDelivery]) -> None:
        """Starts work on all deliveries; returns when the last has begun, so that a full pipeline slows its source.

        Args:
            messages: each with one event or several.
        """
        self._unanswered.update(messages)
        self._note_work()
        for message in messages:
            # One at a time: queries are answered on this event loop, too.
            deliveries = self._work.take_apart(message)
            self._unanswered.discard(message)
            self._unanswered.update(deliveries)
            self._note_work()
            for group in self._groups(deliveries):
                if self._may_begin is not None:
                    await self._may_begin()
                await self._begin(group)

    def _groups(self, deliveries: Sequence[IngestDelivery]) -> list[Sequence[IngestDelivery]]:
        """What of a message is worked on together: all or nothing of it, nothing if its events are traced."""
        is_traced = is_tracing() or any(TRACEPARENT in delivery.headers for delivery in deliveries)
        if self._work.makes_together and not is_traced:
            return [deliveries]
        return [[delivery] for delivery in deliveries]

    async def _begin(self, group: Sequence[IngestDelivery]) -> None:
        places = min(len(group), self._max_in_flight)
        for _ in range(places):
            await self._room.acquire()
        work = self._process(group[0]) if len(group) == 1 else self._process_together(group)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._finish, group, places))

    def _note_work(self) -> None:
        if self.in_flight > _LITTLE_WORK:
            self._is_calm.clear()
        else:
            self._is_calm.set()

    def _finish(self, group: Sequence[IngestDelivery], places: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        for _ in range(places):
            self._room.release()
        if task.cancelled():
            return  # draining gives the deliveries back
        self._unanswered.difference_update(group)
        self._note_work()
        if (error := task.exception()) is not None:
            # The bus delivers it again when its time for an answer is over.
            logger.error("cannot answer for a delivery", exc_info=error)

    async def _process_together(self, group: Sequence[IngestDelivery]) -> None:
        """Events of one message without spans. One after the other, as none of them has to wait; published at once."""
        embedded: list[tuple[IngestDelivery, MadeItem]] = []
        failed: list[tuple[IngestDelivery, Exception]] = []
        for number, delivery in enumerate(group):
            if number % _WITHOUT_PAUSE == 0:
                await asyncio.sleep(0)
            try:
                made = await self._made(delivery, trace.INVALID_SPAN)
            except Exception as error:
                failed.append((delivery, error))
                continue
            if made is None:
                await self._drop(delivery)
            else:
                embedded.append((delivery, made))
        try:
            await self._store([made for _, made in embedded])
        except Exception as bus_error:
            failed += [(delivery, bus_error) for delivery, _ in embedded]
            embedded.clear()
        for delivery, _ in embedded:
            await delivery.message.ack()
        self._work.count("embedded", len(embedded))
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
                made = await self._made(delivery, span)
                if made is None:
                    await self._drop(delivery)
                    return
                await self._store([made])
            except Exception as error:
                await self._answer_failure(delivery, error, span)
            else:
                await delivery.message.ack()
                self._work.count("embedded")

    async def _store(self, made: Sequence[MadeItem]) -> None:
        if made:
            await self._outbox.put(*(each.outgoing for each in made))
            await self._work.pass_on(made)

    async def _drop(self, delivery: IngestDelivery) -> None:
        await delivery.message.ack()
        self._work.count("dropped")

    async def _made(self, delivery: IngestDelivery, span: trace.Span) -> MadeItem | None:
        if delivery.deliveries <= self._retry_policy.max_deliveries:
            return await self._made_now(delivery, span)
        # It may never have got as far as an error: something in it may kill the process.
        attempt = f"{delivery.subject} {delivery.sequence} {delivery.position}"
        if not await self._attempts.begin(attempt):
            raise NeverAnsweredError(
                f"delivered {delivery.deliveries - 1} times, and the embedder stopped while it worked on it"
            )
        try:
            return await self._made_now(delivery, span)
        finally:
            await self._attempts.end(attempt)

    async def _made_now(self, delivery: IngestDelivery, span: trace.Span) -> MadeItem | None:
        made = await self._work.make(delivery)
        if made is not None:
            made.outgoing.item.traceparent = traceparent_of(span)
            require_storable(made.outgoing.item)
        return made

    async def _answer_failure(self, delivery: IngestDelivery, error: Exception, span: trace.Span) -> None:
        if not isinstance(error, SightwireError):
            logger.error("an event failed unexpectedly", exc_info=error, extra={"sequence": delivery.sequence})
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
            "an event will be tried again",
            extra={"subject": delivery.subject, "sequence": delivery.sequence, "seconds": delay, "reason": str(error)},
        )
        self._work.count("retried")
        await self._try_again(delivery, delay)

    async def _bury_delivery(self, delivery: IngestDelivery, fate: Bury) -> None:
        logger.info(
            "an event was buried",
            extra={"subject": delivery.subject, "sequence": delivery.sequence, "reason": fate.reason},
        )
        await self._work.bury(delivery, fate)
        await delivery.message.ack()
        self._work.count("buried")

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
