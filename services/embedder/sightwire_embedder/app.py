"""Wires the embedder: models, bus, pipelines, gRPC server, announcements, health."""

import asyncio
import gc
import logging
import os
import socket
import uuid
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from sightwire.blobs import BlobStore, open_blob_store
from sightwire.bundles import BUNDLE_FILE, Bundle, file_sha256, load_bundle
from sightwire.bundles.pictures import PictureLimits
from sightwire.bundles.stored_files import BundleFiles
from sightwire.bus.announcements import Announcer, withdraw_or_expire
from sightwire.bus.broker import make_broker
from sightwire.bus.collections import CollectionDirectory
from sightwire.bus.connection import Bus
from sightwire.bus.embedders import ANNOUNCE_SECONDS, announce_embedder
from sightwire.bus.embedding_models import EmbeddingModels
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.embedding_models import EmbedderAnnouncement
from sightwire.contracts.models import ModelId
from sightwire.contracts.streams import EMBEDDERS
from sightwire.ending_tasks import end_tasks
from sightwire.lasting_tasks import start_lasting
from sightwire.service.advertising import advertised_address
from sightwire.service.operations import JSON_CONTENT_TYPE
from sightwire.service.runner import ServiceContext
from sightwire_embedder import metrics
from sightwire_embedder.batching import ComputeTurns
from sightwire_embedder.consumer import asyncapi, subscribe, subscribe_to_reembed
from sightwire_embedder.engine import EmbeddingEngine, MakeLoader
from sightwire_embedder.grpc_service import EmbedderService, QueryServer
from sightwire_embedder.loading import EngineOptions
from sightwire_embedder.models.keeper import MakeEngine, ModelKeeper
from sightwire_embedder.models.served_models import ServedModel, ServedModels
from sightwire_embedder.pipelines import open_pipelines
from sightwire_embedder.reembedding.lag import observe_lag_for_ever
from sightwire_embedder.settings import EmbedderSettings
from sightwire_embedder.triton.serving import open_backend

logger = logging.getLogger(__name__)

#: What a gRPC message may have beside the pictures in it.
_MESSAGE_OVERHEAD_BYTES: Final = 1024 * 1024
#: Model calls at once where they are made elsewhere.
_CALLS_PER_CORE: Final = 2


async def run(context: ServiceContext[EmbedderSettings]) -> None:
    """Serves until `context.stopping` is set, then drains: no new events, running queries, running events."""
    settings = context.settings
    embedder = settings.embedder_id or f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
    has_started = asyncio.Event()
    bus = Bus(settings, name="embedder")
    broker = make_broker(settings, name="embedder")
    context.health.add("start", lambda: None if has_started.is_set() else "models are being loaded")
    context.health.add("bus", lambda: None if bus.is_connected else "not connected to the bus")

    async with AsyncExitStack() as resources:
        backend = await open_backend(settings, context.health, context.stopping, resources)
        if context.stopping.is_set():
            return
        turns = await resources.enter_async_context(ComputeTurns(engine_options(settings).worker_count))
        make_engine = _engines(settings, turns, backend.make_loader)
        models = ServedModels(await _load_and_connect(settings, make_engine, bus, resources))
        blobs = open_blob_store(settings.blobs_url)
        directory = CollectionDirectory(bus)
        server = QueryServer(
            EmbedderService(models, metrics.count_vectors, backend.triton_state),
            f"{settings.host}:{settings.embedder_port}",
            max_message_bytes=settings.embedder_max_picture_bytes + _MESSAGE_OVERHEAD_BYTES,
            drain_seconds=settings.drain_seconds,
        )
        address = settings.embedder_advertised_address or await advertised_address(
            settings.host, server.port, peer=bus.server
        )
        announcer = Announcer(
            lambda: announce_embedder(bus, announcement(embedder, address, models, directory)),
            interval=ANNOUNCE_SECONDS,
        )

        async def collection_changed(_name: str, _record: CollectionRecord | None) -> None:
            announcer.changed()

        directory.add_listener(collection_changed)
        await resources.enter_async_context(directory)
        keeper = await resources.enter_async_context(_keeper(settings, models, bus, blobs, make_engine, announcer))
        # No item is to wait for a model that is coming.
        await _wait_for_models(keeper, settings.embedder_max_load_seconds, context.stopping)
        resources.push_async_callback(broker.stop)
        pipelines = await open_pipelines(settings, models, bus, blobs, directory, resources)
        await resources.enter_async_context(server)
        subscribers = [
            subscribe(broker, pipelines.ingest.accept),
            subscribe_to_reembed(broker, pipelines.reembedding.accept),
        ]
        context.pages["/asyncapi.json"] = lambda: (asyncapi(broker), JSON_CONTENT_TYPE, 200)
        await broker.start()
        for subscriber in subscribers:
            resources.push_async_callback(subscriber.stop)
        background = [
            start_lasting(announcer.run(), name="announcer"),
            start_lasting(observe_lag_for_ever(bus), name="reembed-lag"),
        ]
        resources.push_async_callback(end_tasks, *background)
        # What was loaded stays for ever; looking through it again and again took an eighth of the event loop's time.
        gc.collect()
        gc.freeze()
        has_started.set()
        logger.info(
            "ready",
            extra={"port": server.port, "bundle": str(settings.model_bundle), "spaces": sorted(models.by_space)},
        )
        await context.stopping.wait()
        await end_tasks(*background)
        await withdraw_or_expire(bus, EMBEDDERS, embedder)


def engine_options(settings: EmbedderSettings) -> EngineOptions:
    """How engines are to serve, as the settings say."""
    return EngineOptions(
        workers=settings.embedder_workers or _workers_of_backend(settings),
        threads_per_call=settings.embedder_threads_per_call,
        max_call_seconds=settings.embedder_max_call_seconds,
        max_waiting=settings.embedder_max_queued,
        picture_limits=PictureLimits(
            max_bytes=settings.embedder_max_picture_bytes, max_pixels=settings.embedder_max_picture_pixels
        ),
    )


def _workers_of_backend(settings: EmbedderSettings) -> int:
    """While calls wait for another process, others prepare their inputs; 0: as many as the cores allow."""
    return 0 if settings.embedder_backend == "onnxruntime" else _CALLS_PER_CORE * (os.cpu_count() or 1)


def announcement(
    embedder: str, address: str, models: ServedModels, directory: CollectionDirectory
) -> EmbedderAnnouncement:
    """What an embedder says of itself."""
    return EmbedderAnnouncement(
        embedder=embedder,
        address=address,
        default_space=models.default_space,
        serving={space: model.id for space, model in models.by_space.items()},
        loading=tuple(sorted(models.loading)),
        failed=dict(models.failed),
        shadows=tuple(sorted({shadow for record in directory.all() for shadow in record.shadows})),
        announced_at=datetime.now(UTC),
    )


def _engines(settings: EmbedderSettings, turns: ComputeTurns, make_loader: MakeLoader | None) -> MakeEngine:
    """Makes engines that share the threads; each keeps its own measurements."""
    options = engine_options(settings)
    return lambda bundle: EmbeddingEngine(
        bundle, settings.embedder_cache_dir, options, metrics.observe_batch, turns, make_loader
    )


async def _load_and_connect(
    settings: EmbedderSettings, make_engine: MakeEngine, bus: Bus, resources: AsyncExitStack
) -> ServedModel:
    """Does both at once: a bus that is not there yet does not delay loading, and loading does not delay the bus."""
    connecting = asyncio.create_task(bus.connect())
    try:
        bundle = await asyncio.to_thread(load_bundle, settings.model_bundle)
        engine = await resources.enter_async_context(make_engine(bundle))
        sha256 = await asyncio.to_thread(file_sha256, bundle.path(BUNDLE_FILE))
    except BaseException:
        connecting.cancel()
        raise
    await connecting
    resources.push_async_callback(bus.close)
    return ServedModel(engine, _id_of(bundle), sha256)


def _id_of(bundle: Bundle) -> ModelId:
    return ModelId(name=bundle.spec.name, version=bundle.spec.version)


def _keeper(
    settings: EmbedderSettings,
    models: ServedModels,
    bus: Bus,
    blobs: BlobStore,
    make_engine: MakeEngine,
    announcer: Announcer,
) -> ModelKeeper:
    """Serves what the bus wants, once it is entered."""

    def changed() -> None:
        metrics.MODELS_SERVED.set(len(models.by_space))
        metrics.MODELS_FAILED.set(len(models.failed))
        announcer.changed()

    return ModelKeeper(
        models,
        EmbeddingModels(bus).follow(),
        BundleFiles(blobs),
        settings.embedder_cache_dir / "bundles",
        make_engine,
        changed,
    )


async def _wait_for_models(keeper: ModelKeeper, seconds: float, stopping: asyncio.Event) -> None:
    """Returns when each model that is wanted is served or could not be loaded, or the time is up, or at a stop."""
    tried = asyncio.create_task(keeper.wait_until_tried())
    stopped = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait({tried, stopped}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    await end_tasks(tried, stopped)
    if not done:
        logger.warning("starting without models that take long to load", extra={"seconds": seconds})
