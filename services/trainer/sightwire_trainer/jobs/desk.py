"""Answers for requests: each is carried out to its end and told, given back, or buried."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nats.errors import Error as NatsError
from opentelemetry import trace
from pydantic import TypeAdapter

from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import bury
from sightwire.bus.headers import event_headers
from sightwire.bus.responding import Responder
from sightwire.bus.training_runs import has_ended
from sightwire.contracts import subjects
from sightwire.contracts.training import CancelTraining, RunState, TrainingCompleted, TrainingProgress
from sightwire.errors import InvalidInputError, UnavailableError
from sightwire.telemetry.tracing import TRACEPARENT, context_from, tracer
from sightwire_trainer import metrics
from sightwire_trainer.jobs.delivery import RequestDelivery
from sightwire_trainer.jobs.job import RefusedRun, TrainingJob
from sightwire_trainer.jobs.order import RunOrder
from sightwire_trainer.jobs.progress_teller import ProgressTeller
from sightwire_trainer.jobs.requests import RunRequest, read_request

logger = logging.getLogger(__name__)
_tracer = tracer(__name__)

_SOURCE: Final = "trainer"
_REQUESTS: Final = TypeAdapter(CancelTraining)
#: Before the bus is asked again to take what it did not take.
_RETRY_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """How runs are carried out."""

    runs: Path
    #: Relative paths of requested configurations are of this folder.
    data: Path
    cache: Path
    export: bool
    threads: int
    nice: int
    max_deaths: int
    progress_seconds: float


class _EndIsTold(Exception):  # noqa: N818  nothing is wrong
    """Nobody waits for what the request asks for."""


class TrainingDesk:
    """Takes deliveries, one job for each."""

    def __init__(self, bus: Bus, options: DeskOptions) -> None:
        self._bus = bus
        self._options = options
        self._jobs: set[TrainingJob] = set()
        self._stopping = False

    def interrupt(self) -> None:
        """All runs end after a checkpoint; their requests are given back, and none is taken any more."""
        self._stopping = True
        for job in self._jobs:
            job.interrupt()

    def kill(self) -> None:
        """All processes end at once."""
        for job in self._jobs:
            job.kill()

    async def answer_for(self, delivery: RequestDelivery) -> None:
        """Carries a request out; returns when the bus has been told what became of it."""
        if self._stopping:
            await delivery.give_back()
            return
        async with delivery.kept_alive():
            try:
                request = read_request(delivery.payload, base=self._options.data)
            except InvalidInputError as error:
                await self._bury(delivery, error.code, error.detail)
                return
            context = context_from(delivery.headers.get(TRACEPARENT))
            with _tracer.start_as_current_span("train", context, kind=trace.SpanKind.CONSUMER) as span:
                span.set_attribute("sightwire.training.run", request.run)
                await self._carry_out(delivery, request, span)

    async def _carry_out(self, delivery: RequestDelivery, request: RunRequest, span: trace.Span) -> None:
        logger.info("a run begins or goes on", extra={"run": request.run})
        started = asyncio.get_running_loop().time()
        try:
            completed = await self._ended(request, delivery.sequence)
        except _EndIsTold:
            logger.info("a request was cancelled before a run began, or came again", extra={"run": request.run})
            await delivery.finish()
            return
        except (NatsError, UnavailableError) as error:
            logger.warning("a request cannot be taken now", extra={"run": request.run, "error": repr(error)})
            await delivery.give_back(_RETRY_SECONDS)
            return
        except RefusedRun as refusal:
            span.set_status(trace.StatusCode.ERROR, refusal.reason)
            metrics.count_end("refused", asyncio.get_running_loop().time() - started)
            await self._bury(delivery, refusal.code, refusal.reason)
            return
        if completed is None:
            logger.info("a run was interrupted, and goes on when its request comes again", extra={"run": request.run})
            metrics.count_end("interrupted", asyncio.get_running_loop().time() - started)
            await delivery.give_back()
            return
        if completed.state is RunState.FAILED:
            span.set_status(trace.StatusCode.ERROR, completed.reason)
        logger.info("a run ended", extra=completed.model_dump(mode="json", exclude={"at", "measures"}))
        metrics.count_end(completed.state, completed.seconds)
        await self._publish_for_certain(completed.model_copy(update={"request": delivery.sequence}))
        await delivery.finish()

    async def _ended(self, request: RunRequest, sequence: int) -> TrainingCompleted | None:
        """How the run has ended; None when it was interrupted. `sequence` is the request's in the stream."""
        teller = ProgressTeller(self._publish_progress, pause_seconds=self._options.progress_seconds)

        def told(progress: TrainingProgress, is_evaluation: bool) -> None:
            metrics.observe_progress(progress)
            teller.tell(progress, is_evaluation)

        job = TrainingJob(
            self._order(request), told=told, died=metrics.count_death, max_deaths=self._options.max_deaths
        )
        control = Responder(self._bus, subjects.control_training(request.run), _REQUESTS, _cancelling(job))
        telling = asyncio.create_task(teller.run())
        self._jobs.add(job)
        metrics.RUNNING.inc()
        try:
            async with control.answering():
                # Whoever cancels tells the end of the request and then asks here: at least one of both is noticed.
                if await has_ended(self._bus, request.run, request=sequence):
                    raise _EndIsTold
                return await job.carry_out()
        finally:
            metrics.RUNNING.dec()
            self._jobs.discard(job)
            teller.finish()
            await telling
            metrics.forget_run(request.run, job.progress.measures if job.progress else {})

    def _order(self, request: RunRequest) -> RunOrder:
        options = self._options
        return RunOrder(
            run=request.run,
            configuration=request.configuration,
            folder=(options.runs / request.run).absolute(),
            cache=options.cache.absolute(),
            export=options.export,
            threads=options.threads,
            nice=options.nice,
            service=_SOURCE,
        )

    async def _publish_progress(self, progress: TrainingProgress) -> None:
        headers = event_headers(event_type="sightwire.training.progress", source=_SOURCE, subject=progress.run)
        await self._bus.publish(subjects.training_progress(progress.run), progress.model_dump_json().encode(), headers)

    async def _publish_for_certain(self, completed: TrainingCompleted) -> None:
        headers = event_headers(event_type="sightwire.training.completed", source=_SOURCE, subject=completed.run)
        while True:
            try:
                await self._bus.publish(subjects.TRAINING_COMPLETED, completed.model_dump_json().encode(), headers)
                return
            except UnavailableError as error:
                logger.warning("the end of a run is not told yet", extra={"run": completed.run, "reason": error.detail})
            await asyncio.sleep(_RETRY_SECONDS)

    async def _bury(self, delivery: RequestDelivery, code: str, reason: str) -> None:
        logger.info("a request was buried", extra={"sequence": delivery.sequence, "reason": reason})
        try:
            await bury(
                self._bus,
                original_subject=delivery.subject,
                payload=delivery.payload,
                headers=dict(delivery.headers),
                service=_SOURCE,
                code=code,
                reason=reason,
                original_sequence=delivery.sequence,
            )
        except UnavailableError as error:
            logger.warning("cannot bury a request now", extra={"reason": error.detail})
            await delivery.give_back(_RETRY_SECONDS)
            return
        await delivery.finish()


def _cancelling(job: TrainingJob) -> Callable[[CancelTraining], Awaitable[TrainingProgress | None]]:
    async def cancel(_request: CancelTraining) -> TrainingProgress | None:
        job.cancel()
        return job.progress

    return cancel
