"""What the active orchestrator consists of, from the claim of its term to its end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sightwire.blobs import BlobStore
from sightwire.bus.connection import Bus
from sightwire.cache.levels import MultiLevelCache
from sightwire.contracts.pipelines import RunId
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConflictError, NotFoundError
from sightwire_orchestrator.alerts.opening import open_alert_office
from sightwire_orchestrator.caching.task_results import TaskResultCache
from sightwire_orchestrator.control.alerts import AlertsDesk
from sightwire_orchestrator.control.cache import CacheDesk
from sightwire_orchestrator.control.migrations import MigrationsDesk
from sightwire_orchestrator.control.model_requests import ModelsDesk
from sightwire_orchestrator.control.requests import PipelinesDesk
from sightwire_orchestrator.control.review_requests import ReviewsDesk
from sightwire_orchestrator.execution.callbacks import CallbackSender
from sightwire_orchestrator.execution.engine import Engine
from sightwire_orchestrator.execution.progress import ProgressBoard
from sightwire_orchestrator.migrations.keeper import MigrationKeeper
from sightwire_orchestrator.numbers.desk import NumbersDesk
from sightwire_orchestrator.numbers.health_desk import HealthDesk
from sightwire_orchestrator.numbers.recorder import MetricsRecorder
from sightwire_orchestrator.numbers.store import SampleStore
from sightwire_orchestrator.pipelines.storing import store_shipped_pipelines
from sightwire_orchestrator.registry.events import ModelEventStore
from sightwire_orchestrator.registry.publishing import ModelEventPublisher
from sightwire_orchestrator.registry.service import ModelRegistry
from sightwire_orchestrator.repeating import again_and_again
from sightwire_orchestrator.reviews.opening import ReviewOffice, open_office
from sightwire_orchestrator.runs.events import ReviewDecided
from sightwire_orchestrator.settings import OrchestratorSettings
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.pipeline_store import PipelineStore
from sightwire_orchestrator.storage.result_store import IdempotentResults
from sightwire_orchestrator.storage.run_store import RunStore
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import TaskResources

logger = logging.getLogger(__name__)

_TENDING_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class TermParts:
    """What all terms of a process share."""

    settings: OrchestratorSettings
    bus: Bus
    database: Database
    blobs: BlobStore
    runs: RunStore
    cache: MultiLevelCache
    handlers: HandlerRegistry
    resources: TaskResources

    @asynccontextmanager
    async def term(self, epoch: int) -> AsyncIterator[Engine]:
        """Carries runs on, answers requests, sends callbacks and keeps at reviews, until the block ends.

        Raises:
            UnavailableError: bus or database did not answer at the start.
        """
        pipelines = PipelineStore(self.database)

        async def tell_run(run: RunId, decided: ReviewDecided) -> None:
            # It may have ended, or have heard of it before.
            with suppress(ConflictError, NotFoundError):
                await engine.tell(run, decided)

        office = open_office(
            self.database, self.settings, tell_run, webhooks=self.resources.webhooks, mail=self.resources.mail
        )
        samples = SampleStore(self.database)
        recorder = MetricsRecorder(samples, kept=timedelta(days=self.settings.orchestrator_metrics_days))
        engine = Engine(
            self.bus,
            self.runs,
            pipelines,
            IdempotentResults(self.database),
            TaskResultCache(self.cache, self.handlers),
            office.desk,
            recorder,
            epoch=epoch,
        )
        publisher = ModelEventPublisher(self.bus, ModelEventStore(self.database))
        board = ProgressBoard()
        health = HealthDesk(self.bus, samples, pipelines, self.cache, office)
        requests = PipelinesDesk(
            self.bus, engine, self.runs, pipelines, self.handlers, board, NumbersDesk(samples), health
        )
        registry = ModelRegistry(self.database, self.blobs)
        models = ModelsDesk(self.bus, registry, publisher.look)
        reviews = ReviewsDesk(self.bus, office)
        cache = CacheDesk(self.bus, self.cache)
        alert_office = open_alert_office(
            self.database, self.settings, self.bus, self.resources, samples, office.desk, self.cache
        )
        alerts = AlertsDesk(self.bus, alert_office)
        migrations = MigrationsDesk(self.bus, engine, registry, board)
        keeper = MigrationKeeper(self.bus, self.runs)
        callbacks = CallbackSender(self.bus, pipelines, self.resources.webhooks)
        try:
            await store_shipped_pipelines(pipelines)
            await engine.start()
            async with (
                recorder.recording(),
                callbacks.sending(),
                _kept_at(office),
                publisher.publishing(),
                board.listening(self.bus),
                requests.answering(),
                models.answering(),
                reviews.answering(),
                cache.answering(),
                alert_office.kept(),
                alerts.answering(),
                migrations.answering(),
                keeper.keeping(),
            ):
                yield engine
        finally:
            await engine.stop()
            await self.runs.drain()


@asynccontextmanager
async def _kept_at(office: ReviewOffice) -> AsyncIterator[None]:
    keeping = [
        asyncio.create_task(
            again_and_again(office.desk.tend, "keeping at reviews", seconds=_TENDING_SECONDS), name="tend reviews"
        ),
        asyncio.create_task(
            again_and_again(office.notifier.send_waiting, "keeping at reviews", seconds=_TENDING_SECONDS),
            name="notify reviewers",
        ),
    ]
    try:
        yield
    finally:
        await end_tasks(*keeping)
