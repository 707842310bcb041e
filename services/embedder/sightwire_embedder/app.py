"""Wires the embedder: bundle, bus, ingest pipeline, gRPC server, health."""

import asyncio
import gc
import logging
from contextlib import AsyncExitStack

from sightwire.blobs import open_blob_store
from sightwire.bundles.pictures import PictureLimits
from sightwire.bus.broker import make_broker
from sightwire.bus.collections import CollectionDirectory, CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import bury
from sightwire.bus.item_status import ItemStatusStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.security.addresses import AddressPolicy
from sightwire.security.fetch import FetchLimits, PictureFetcher
from sightwire.service.operations import JSON_CONTENT_TYPE
from sightwire.service.runner import ServiceContext
from sightwire_embedder import metrics
from sightwire_embedder.consumer import asyncapi, subscribe
from sightwire_embedder.engine import EmbeddingEngine
from sightwire_embedder.grpc_service import EmbedderService, QueryServer
from sightwire_embedder.ingest.delivery import IngestDelivery
from sightwire_embedder.ingest.item_embedder import ItemEmbedder
from sightwire_embedder.ingest.outbox import Outbox
from sightwire_embedder.ingest.picture_source import PictureSource
from sightwire_embedder.ingest.pipeline import IngestPipeline
from sightwire_embedder.ingest.retry import RetryPolicy
from sightwire_embedder.loading import EngineOptions
from sightwire_embedder.settings import EmbedderSettings

logger = logging.getLogger(__name__)


#: What a gRPC message may have beside the pictures in it.
_MESSAGE_OVERHEAD_BYTES = 1024 * 1024


async def run(context: ServiceContext[EmbedderSettings]) -> None:
    """Serves until `context.stopping` is set, then drains: no new events, running queries, running events."""
    settings = context.settings
    has_started = asyncio.Event()
    bus = Bus(settings, name="embedder")
    broker = make_broker(settings, name="embedder")
    context.health.add("start", lambda: None if has_started.is_set() else "the model bundle is being loaded")
    context.health.add("bus", lambda: None if bus.is_connected else "not connected to the bus")

    async with AsyncExitStack() as resources:
        engine = EmbeddingEngine(
            settings.model_bundle, settings.embedder_cache_dir, engine_options(settings), metrics.observe_batch
        )
        await _load_and_connect(engine, bus, resources)
        resources.push_async_callback(broker.stop)
        pipeline = await _ingest_pipeline(settings, engine, bus, resources)
        service = EmbedderService(engine, metrics.count_vectors)
        server = await resources.enter_async_context(
            QueryServer(
                service,
                f"{settings.host}:{settings.embedder_port}",
                max_message_bytes=settings.embedder_max_picture_bytes + _MESSAGE_OVERHEAD_BYTES,
                drain_seconds=settings.drain_seconds,
            )
        )
        subscriber = subscribe(broker, pipeline.accept)
        context.pages["/asyncapi.json"] = lambda: (asyncapi(broker), JSON_CONTENT_TYPE, 200)
        await broker.start()
        resources.push_async_callback(subscriber.stop)
        # What was loaded stays for ever; looking through it again and again took an eighth of the event loop's time.
        gc.collect()
        gc.freeze()
        has_started.set()
        logger.info(
            "ready", extra={"port": server.port, "bundle": str(settings.model_bundle), "space": engine.spec.space}
        )
        await context.stopping.wait()


def engine_options(settings: EmbedderSettings) -> EngineOptions:
    """How the engine is to serve, as the settings say."""
    return EngineOptions(
        workers=settings.embedder_workers,
        threads_per_call=settings.embedder_threads_per_call,
        max_call_seconds=settings.embedder_max_call_seconds,
        max_waiting=settings.embedder_max_queued,
        picture_limits=PictureLimits(
            max_bytes=settings.embedder_max_picture_bytes, max_pixels=settings.embedder_max_picture_pixels
        ),
    )


async def _load_and_connect(engine: EmbeddingEngine, bus: Bus, resources: AsyncExitStack) -> None:
    """Does both at once: a bus that is not there yet does not delay loading, and loading does not delay the bus."""
    connecting = asyncio.create_task(bus.connect())
    try:
        await resources.enter_async_context(engine)
    except BaseException:
        connecting.cancel()
        raise
    await connecting
    resources.push_async_callback(bus.close)


async def _ingest_pipeline(
    settings: EmbedderSettings, engine: EmbeddingEngine, bus: Bus, resources: AsyncExitStack
) -> IngestPipeline:
    directory = await resources.enter_async_context(CollectionDirectory(bus))
    registry = CollectionRegistry(bus)
    fetcher = await resources.enter_async_context(
        PictureFetcher(
            AddressPolicy.allowing(entry for entry in settings.fetch_allow.split(",") if entry.strip()),
            FetchLimits(max_bytes=settings.embedder_max_picture_bytes),
        )
    )
    pictures = PictureSource(open_blob_store(settings.blobs_url), fetcher, settings.embedder_max_picture_bytes)
    embedder = ItemEmbedder(
        engine, pictures, metrics.count_vectors, max_pictures=settings.embedder_max_pictures_in_flight
    )
    send_status = ItemStatusStore(bus).send
    outbox = await resources.enter_async_context(Outbox(bus.publish_all, send_status))

    async def find_collection(name: str) -> CollectionRecord:
        # The directory may be some milliseconds behind a collection that was created just now.
        return directory.find(name) or await registry.get(name)

    async def bury_delivery(delivery: IngestDelivery, code: str, reason: str) -> None:
        await bury(
            bus,
            original_subject=delivery.subject,
            payload=delivery.payload,
            headers=dict(delivery.headers),
            service="embedder",
            code=code,
            reason=reason,
            original_sequence=delivery.sequence,
            position=delivery.position,
        )

    pipeline = IngestPipeline(
        embed=embedder.embed,
        find_collection=find_collection,
        outbox=outbox,
        send_status=send_status,
        bury=bury_delivery,
        count_outcome=metrics.count_outcome,
        retry_policy=RetryPolicy(settings.embedder_max_deliveries),
        max_in_flight=settings.embedder_max_in_flight,
        drain_seconds=settings.drain_seconds,
    )
    metrics.INGEST_IN_FLIGHT.set_function(lambda: pipeline.in_flight)
    return await resources.enter_async_context(pipeline)
