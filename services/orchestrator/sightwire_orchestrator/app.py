"""Wires the orchestrator: database, bus, terms, a worker of its own, health."""

import asyncio
import functools
import logging
from contextlib import AsyncExitStack

from prometheus_client import REGISTRY
from uuid_utils import uuid4

from sightwire.blobs import open_blob_store
from sightwire.bus.connection import Bus
from sightwire.bus.leases import LeaseKeeper
from sightwire.cache.levels import MultiLevelCache
from sightwire.cache.metrics import CacheMetrics
from sightwire.ending_tasks import end_tasks
from sightwire.service.operations import JSON_CONTENT_TYPE, Answer
from sightwire.service.runner import ServiceContext
from sightwire_orchestrator.caching.settings import NAMESPACE
from sightwire_orchestrator.execution.terms import Terms
from sightwire_orchestrator.settings import OrchestratorSettings
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.run_store import RunStore
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import TaskResources, open_resources
from sightwire_orchestrator.term import TermParts
from sightwire_orchestrator.workers.worker import Worker

logger = logging.getLogger(__name__)


async def run(context: ServiceContext[OrchestratorSettings]) -> None:
    """Carries runs on while no other orchestrator does, and tasks out, until `context.stopping` is set."""
    settings = context.settings
    bus = Bus(settings, name="orchestrator")
    context.health.add("bus", lambda: None if bus.is_connected else "not connected to the bus")
    context.pages["/asyncapi.json"] = _asyncapi_page
    async with AsyncExitStack() as resources:
        if not await bus.connect_before(context.stopping):
            return
        resources.push_async_callback(bus.close)
        database = Database(settings.orchestrator_database_url.get_secret_value())
        resources.push_async_callback(database.close)
        await database.open()
        handlers = HandlerRegistry.with_builtin_types()
        handlers.add_installed()
        shared = await resources.enter_async_context(open_resources(settings, bus=bus))
        blobs = open_blob_store(settings.blobs_url)
        cache = MultiLevelCache(settings.task_cache_options(), settings.cache_server_url)
        await resources.enter_async_context(cache)
        resources.callback(REGISTRY.unregister, CacheMetrics({NAMESPACE: cache}))
        parts = TermParts(settings, bus, database, blobs, RunStore(database), cache, handlers, shared)
        owner = uuid4().hex
        terms = Terms(LeaseKeeper(bus, owner), parts.runs, owner, parts.term)
        running = [
            asyncio.create_task(terms.serve(), name="terms"),
            *_workers(context, bus, shared, handlers),
        ]
        resources.push_async_callback(end_tasks, running[0])
        stopping = asyncio.create_task(context.stopping.wait())
        logger.info("ready", extra={"database": database.address, "types": handlers.types})
        await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await end_tasks(stopping)
        for done in running:
            if done.done():
                done.result()
        # Tasks first: their results are then stored here, and not only when another orchestrator takes over.
        await asyncio.gather(*running[1:])


@functools.cache
def _asyncapi_page() -> Answer:
    # Those who never ask for it are spared FastStream: half a second of the start, and 10 MB.
    from sightwire_orchestrator.asyncapi import describe

    return describe(), JSON_CONTENT_TYPE, 200


def _workers(
    context: ServiceContext[OrchestratorSettings], bus: Bus, shared: TaskResources, handlers: HandlerRegistry
) -> list["asyncio.Task[None]"]:
    settings = context.settings
    if not settings.orchestrator_worker_concurrency:
        return []
    worker = Worker(bus, shared, handlers, concurrency=settings.orchestrator_worker_concurrency)
    return [asyncio.create_task(worker.run(context.stopping, drain_seconds=settings.drain_seconds), name="worker")]
