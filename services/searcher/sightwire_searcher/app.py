"""Wires the searcher: bus, blob store, snapshots, gRPC server, announcements, health."""

import asyncio
import logging
import socket
import uuid
from contextlib import AsyncExitStack
from typing import Final

from sightwire.blobs import open_blob_store
from sightwire.bus.announcements import Announcer, withdraw_or_expire
from sightwire.bus.broker import make_broker
from sightwire.bus.collections import CollectionDirectory, CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.searchers import ANNOUNCE_SECONDS, announce_searcher
from sightwire.contracts.events import SearcherAnnouncement
from sightwire.contracts.streams import SEARCHERS
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConfigurationError
from sightwire.segments.depot import remove_unfinished_copies
from sightwire.segments.vector_indexes.gpu import Gpu, why_no_gpu
from sightwire.service.advertising import advertised_address
from sightwire.service.operations import JSON_CONTENT_TYPE
from sightwire.service.runner import ServiceContext
from sightwire_searcher import metrics
from sightwire_searcher.consumer import asyncapi, subscribe
from sightwire_searcher.first_loads import FirstLoads
from sightwire_searcher.grpc_server import SearchServer
from sightwire_searcher.grpc_service import SearcherService
from sightwire_searcher.loading.loader import SnapshotLoader
from sightwire_searcher.loading.reloader import Reloader
from sightwire_searcher.loading.startup import Startup
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.selection_cache import SelectionCache
from sightwire_searcher.settings import SearcherSettings
from sightwire_searcher.snapshot import Snapshot
from sightwire_searcher.snapshot_board import SnapshotBoard

logger = logging.getLogger(__name__)

#: How often snapshots are let go of that nobody pages through any more.
_EXPIRE_SECONDS: Final = 5.0
#: Expiries between two checks whether an event was missed.
_EXPIRIES_PER_CHECK: Final = 6


async def run(context: ServiceContext[SearcherSettings]) -> None:
    """Serves until `context.stopping` is set, then drains: no longer announced, then the queries in flight."""
    settings = context.settings
    searcher = settings.searcher_id or f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
    bus = Bus(settings, name="searcher")
    startup = Startup()
    context.health.add("bus", lambda: None if bus.is_connected else "not connected to the bus")
    context.health.add("collections", lambda: startup.problem)

    async with AsyncExitStack() as resources:
        await resources.enter_async_context(bus)
        board = SnapshotBoard(kept=settings.searcher_kept_snapshots, keep_seconds=settings.searcher_keep_seconds)
        cache = SelectionCache(settings.searcher_filter_cache_bytes)

        def take_settings(fresh: SearcherSettings) -> None:
            board.take_limits(kept=fresh.searcher_kept_snapshots, keep_seconds=fresh.searcher_keep_seconds)
            cache.resize(fresh.searcher_filter_cache_bytes)

        context.configuration.add_listener(take_settings)
        metrics.FILTER_CACHE_BYTES.set_function(lambda: cache.resident_bytes)

        await asyncio.to_thread(remove_unfinished_copies, settings.searcher_cache_dir)
        loader = SnapshotLoader(
            open_blob_store(settings.blobs_url),
            settings.searcher_cache_dir,
            verify=settings.searcher_verify_checksums,
            gpu=_gpu(settings.searcher_gpu_bytes),
            max_copied_bytes=settings.searcher_cache_bytes,
        )
        reloader = Reloader(loader, board, loaded=startup.notify, searcher=searcher)
        resources.push_async_callback(reloader.close)
        registry = CollectionRegistry(bus)
        directory = CollectionDirectory(bus)

        async def load(name: str) -> Snapshot | None:
            # The directory may be some milliseconds behind a collection that was created just now.
            return await reloader.loaded_snapshot(await registry.get(name))

        first_loads = FirstLoads(load, patient_threads=max(1, settings.searcher_threads // 2))
        server = await resources.enter_async_context(
            SearchServer(
                SearcherService(board, Selections(cache), first_loads),
                f"{settings.host}:{settings.searcher_port}",
                threads=settings.searcher_threads,
                max_queued=settings.searcher_max_queued,
                drain_seconds=settings.drain_seconds,
            )
        )
        metrics.QUEUED.set_function(lambda: server.queued)
        directory.add_listener(reloader.collection_changed)
        await resources.enter_async_context(directory)
        startup.watch(lambda: reloader.problem)

        broker = make_broker(settings, name="searcher")
        subscriber = subscribe(broker, reloader.index_ready, searcher=searcher)
        context.pages["/asyncapi.json"] = lambda: (asyncapi(broker), JSON_CONTENT_TYPE, 200)
        resources.push_async_callback(broker.stop)
        await broker.start()
        resources.push_async_callback(subscriber.stop)

        address = settings.searcher_advertised_address or await advertised_address(
            settings.host, server.port, peer=bus.server
        )

        async def announce_when_complete() -> None:
            # Before, it must not be counted on.
            if startup.is_complete:
                await announce_searcher(
                    bus,
                    SearcherAnnouncement(searcher=searcher, address=address, manifests=announced_manifests(board)),
                )

        announcer = Announcer(announce_when_complete, interval=ANNOUNCE_SECONDS)
        startup.add_listener(announcer.changed)
        tasks = await resources.enter_async_context(asyncio.TaskGroup())
        background = [
            tasks.create_task(announcer.run(), name="announcer"),
            tasks.create_task(_housekeeping(board, reloader, directory), name="housekeeping"),
            tasks.create_task(_serve_when_complete(startup, server, searcher), name="startup"),
        ]
        await context.stopping.wait()
        await end_tasks(*background)
        await withdraw_or_expire(bus, SEARCHERS, searcher)


def _gpu(memory_bytes: int) -> Gpu | None:
    if not memory_bytes:
        return None
    reason = why_no_gpu()
    if reason is not None:
        raise ConfigurationError(f"SIGHTWIRE_SEARCHER_GPU_BYTES is {memory_bytes}, but {reason}; or set it to 0")
    return Gpu(memory_bytes=memory_bytes)


def announced_manifests(board: SnapshotBoard) -> dict[str, int]:
    """Manifest version by `<collection>-<uid>`, of all snapshots that answer."""
    return {f"{snapshot.record.name}-{snapshot.record.uid}": snapshot.version for snapshot in board.all()}


async def _serve_when_complete(startup: Startup, server: SearchServer, searcher: str) -> None:
    await startup.wait()
    server.set_serving(serving=True)
    logger.info("ready", extra={"searcher": searcher, "port": server.port})


async def _housekeeping(board: SnapshotBoard, reloader: Reloader, directory: CollectionDirectory) -> None:
    while True:
        for _ in range(_EXPIRIES_PER_CHECK):
            await asyncio.sleep(_EXPIRE_SECONDS)
            board.expire()
        await reloader.check_all(directory.all())
