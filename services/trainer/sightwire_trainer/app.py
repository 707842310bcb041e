"""Wires the trainer: bus, requests, jobs, health."""

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from pathlib import Path

from sightwire.bus.connection import Bus
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConfigurationError
from sightwire.service.operations import JSON_CONTENT_TYPE
from sightwire.service.runner import ServiceContext
from sightwire_trainer.asyncapi import describe
from sightwire_trainer.jobs.consumer import RequestConsumer
from sightwire_trainer.jobs.desk import DeskOptions, TrainingDesk
from sightwire_trainer.settings import TrainerSettings

logger = logging.getLogger(__name__)


async def run(context: ServiceContext[TrainerSettings]) -> None:
    """Carries requests out until `context.stopping` is set; runs then end after a checkpoint, to go on later."""
    settings = context.settings
    bus = Bus(settings, name="trainer")
    context.health.add("bus", lambda: None if bus.is_connected else "not connected to the bus")
    document = describe()
    context.pages["/asyncapi.json"] = lambda: (document, JSON_CONTENT_TYPE, 200)
    _require_writable(settings.trainer_runs_dir)
    async with AsyncExitStack() as resources:
        if not await bus.connect_before(context.stopping):
            return
        resources.push_async_callback(bus.close)
        consumer = RequestConsumer(
            bus, TrainingDesk(bus, desk_options(settings)), runs_at_once=settings.trainer_runs_at_once
        )
        taking = asyncio.create_task(consumer.take_requests(), name="requests")
        resources.push_async_callback(consumer.drain, settings.drain_seconds)
        resources.push_async_callback(end_tasks, taking)
        logger.info("ready", extra={"runs": str(settings.trainer_runs_dir)})
        stopping = asyncio.create_task(context.stopping.wait())
        await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await end_tasks(stopping)
        if taking.done():
            taking.result()


def desk_options(settings: TrainerSettings) -> DeskOptions:
    """How runs are to be carried out, as the settings say."""
    return DeskOptions(
        runs=settings.trainer_runs_dir,
        data=settings.trainer_data_dir,
        cache=settings.trainer_cache_dir,
        export=settings.trainer_export,
        threads=settings.trainer_threads,
        nice=settings.trainer_nice,
        max_deaths=settings.trainer_max_deaths,
        progress_seconds=settings.trainer_progress_seconds,
    )


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder of runs {folder} cannot be made: {error.strerror or error}; set SIGHTWIRE_TRAINER_RUNS_DIR"
        ) from None
    if not os.access(folder, os.W_OK):
        raise ConfigurationError(f"the folder of runs {folder} is not writable; set SIGHTWIRE_TRAINER_RUNS_DIR")
