"""All runs that have not ended, carried on for one term."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import JsonValue

from sightwire.bus.connection import Bus
from sightwire.contracts.pipelines import PipelineDefinition, RunId, TaskResult
from sightwire.ending_tasks import end_tasks
from sightwire.errors import UnavailableError
from sightwire_orchestrator.caching.task_results import TaskResultCache
from sightwire_orchestrator.execution import metrics
from sightwire_orchestrator.execution.driver import RunDriver
from sightwire_orchestrator.execution.endings import Endings
from sightwire_orchestrator.execution.idempotency import KeyedResults
from sightwire_orchestrator.execution.journal import Journal
from sightwire_orchestrator.execution.ordering import OrderDesk
from sightwire_orchestrator.execution.result_consumer import ResultConsumer
from sightwire_orchestrator.execution.reviewing import ReviewRequests
from sightwire_orchestrator.execution.spans import beginning_span
from sightwire_orchestrator.numbers.recorder import MetricsRecorder
from sightwire_orchestrator.runs.beginning import new_run
from sightwire_orchestrator.runs.events import Message, ResultArrived
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.storage.fencing import FencedError
from sightwire_orchestrator.storage.pipeline_store import PipelineStore
from sightwire_orchestrator.storage.result_store import IdempotentResults
from sightwire_orchestrator.storage.run_store import RunStore

logger = logging.getLogger(__name__)


class Engine:
    """Of a term that was claimed with `epoch`; started and stopped once."""

    def __init__(
        self,
        bus: Bus,
        runs: RunStore,
        pipelines: PipelineStore,
        results: IdempotentResults,
        cached: TaskResultCache,
        reviews: ReviewRequests,
        recorder: MetricsRecorder,
        *,
        epoch: int,
    ) -> None:
        self._runs = runs
        self._pipelines = pipelines
        self._journal = Journal(runs, epoch)
        self._orders = OrderDesk(bus)
        self._keyed = KeyedResults(results)
        self._cached = cached
        self._reviews = reviews
        self._recorder = recorder
        self._endings = Endings(bus)
        self._results = ResultConsumer(bus, self._take_result)
        self._plans: dict[tuple[str, str], Plan] = {}
        self._drivers: dict[RunId, RunDriver] = {}
        self._driving: set[asyncio.Task[None]] = set()
        #: Runs that cannot be carried on; the next term tries again.
        self._set_aside: set[RunId] = set()
        self._taking_up = asyncio.Lock()
        self._fenced: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Goes on with all runs.

        Raises:
            UnavailableError: bus or database do not answer.
        """
        # The queue before the results: a result is in its stream before its order leaves the queue, so an order that is
        # neither in the queue now, nor answered by a result that waits then, was never sent.
        await self._orders.read_queue()
        await self._endings.tell_missed(await self._runs.last_ended())
        drivers = [self._driver(await self._plan_of(run), run) for run in await self._runs.unfinished()]
        self._drivers.update({driver.run.id: driver for driver in drivers})
        await self._results.start()
        await self._results.caught_up()
        await self._reviews.reconcile([(driver.plan, driver.run) for driver in drivers])
        for driver in drivers:
            self._drive(driver, is_recovered=True)
        logger.info("runs are carried on", extra={"runs": len(drivers)})

    async def ended(self) -> None:
        """Returns never.

        Raises:
            FencedError: another orchestrator has taken over.
            UnavailableError: results do not come any more; to be started anew.
        """
        watching = asyncio.create_task(self._results.watch(), name="watch results")
        try:
            await asyncio.wait({self._fenced, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(watching)
        await (self._fenced if self._fenced.done() else watching)

    async def stop(self) -> None:
        """Leaves all runs as they are stored."""
        await self._results.stop()
        await end_tasks(*self._driving)

    async def begin(
        self, pipeline: str, version: str | None, parameters: Mapping[str, JsonValue], run_id: RunId
    ) -> tuple[Plan, Run]:
        """Stores a new run and carries it on.

        Raises:
            NotFoundError: there is no such pipeline.
            ConflictError: a run of this id exists.
        """
        stored = await self._pipelines.get(pipeline, version)
        plan = self._plan(stored.definition)
        with beginning_span(stored.definition.name, run_id) as traceparent:
            run = new_run(plan, run_id, parameters, datetime.now(UTC), traceparent=traceparent)
            await self._journal.create(run)
        self._drive(self._driver(plan, run))
        return plan, run

    async def tell(self, run_id: RunId, message: Message) -> tuple[Plan, Run]:
        """The run after a message, which is stored then.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: as the run stands, this may not be asked for.
            UnavailableError: it cannot be carried on now.
        """
        if run_id in self._set_aside:
            raise UnavailableError(f"run {run_id!r} cannot be carried on; the orchestrator's log says why")
        driver, answer = await self._posted(run_id, message)
        return driver.plan, await answer

    async def read(self, run_id: RunId) -> tuple[Plan, Run]:
        """A run as it is stored.

        Raises:
            NotFoundError: there is none.
        """
        driver = self._drivers.get(run_id)
        if driver is not None:
            return driver.plan, driver.run
        run = await self._runs.get(run_id)
        return await self._plan_of(run), run

    async def _posted(self, run_id: RunId, message: Message) -> "tuple[RunDriver, asyncio.Future[Run]]":
        # One at a time: another driver of the run must not come and go while it is being read.
        async with self._taking_up:
            driver = self._drivers.get(run_id)
            if driver is not None:
                return driver, driver.post(message)
            run = await self._runs.get(run_id)
            driver = self._driver(await self._plan_of(run), run)
            answer = driver.post(message)
            self._drive(driver)
            return driver, answer

    def _take_result(self, result: TaskResult) -> "asyncio.Future[Run] | None":
        driver = self._drivers.get(result.run)
        if driver is not None:
            return driver.post(ResultArrived(result=result))
        if result.run not in self._set_aside:
            return None
        unanswered: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        unanswered.cancel()
        return unanswered

    def _drive(self, driver: RunDriver, *, is_recovered: bool = False) -> None:
        self._drivers[driver.run.id] = driver
        metrics.ACTIVE_RUNS.set(len(self._drivers))
        driving = asyncio.create_task(self._drive_to_its_end(driver, is_recovered), name=f"run {driver.run.id}")
        self._driving.add(driving)
        driving.add_done_callback(self._driving.discard)

    async def _drive_to_its_end(self, driver: RunDriver, is_recovered: bool) -> None:
        try:
            await driver.drive(is_recovered=is_recovered)
        except FencedError as error:
            if not self._fenced.done():
                self._fenced.set_exception(error)
        except Exception:
            self._set_aside.add(driver.run.id)
            metrics.SET_ASIDE.inc()
            logger.exception("a run cannot be carried on", extra={"run": driver.run.id})
        finally:
            del self._drivers[driver.run.id]
            metrics.ACTIVE_RUNS.set(len(self._drivers))

    def _driver(self, plan: Plan, run: Run) -> RunDriver:
        return RunDriver(
            plan,
            run,
            self._journal,
            self._orders,
            self._keyed,
            self._cached,
            self._reviews,
            self._endings,
            self._recorder,
        )

    async def _plan_of(self, run: Run) -> Plan:
        known = self._plans.get((run.pipeline, run.version))
        return known or self._plan((await self._pipelines.get(run.pipeline, run.version)).definition)

    def _plan(self, definition: PipelineDefinition) -> Plan:
        key = definition.name, definition.version
        if key not in self._plans:
            self._plans[key] = Plan.of(definition)
        return self._plans[key]
