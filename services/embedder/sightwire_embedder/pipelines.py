"""Wires the two pipelines from messages to embedded items: of new items, and of items for other copies."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from sightwire.blobs import BlobStore
from sightwire.bus.collections import CollectionDirectory, CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import bury
from sightwire.bus.item_status import ItemStatusStore
from sightwire.security.addresses import AddressPolicy
from sightwire.security.fetch import FetchLimits, PictureFetcher
from sightwire_embedder import metrics
from sightwire_embedder.batching import Priority
from sightwire_embedder.ingest.attempts import AttemptLog
from sightwire_embedder.ingest.copies import Copies
from sightwire_embedder.ingest.delivery import IngestDelivery
from sightwire_embedder.ingest.ingest_work import IngestWork
from sightwire_embedder.ingest.item_embedder import ItemEmbedder
from sightwire_embedder.ingest.outbox import Outbox
from sightwire_embedder.ingest.picture_source import PictureSource
from sightwire_embedder.ingest.pipeline import ItemPipeline
from sightwire_embedder.ingest.retry import Bury, RetryPolicy
from sightwire_embedder.models.served_models import ServedModels
from sightwire_embedder.reembedding.reembed_work import ReembedWork
from sightwire_embedder.settings import EmbedderSettings


@dataclass(frozen=True, slots=True)
class Pipelines:
    """What the consumers hand their messages to."""

    ingest: ItemPipeline
    #: Begins nothing while the other has much to do.
    reembedding: ItemPipeline


async def open_pipelines(
    settings: EmbedderSettings,
    models: ServedModels,
    bus: Bus,
    blobs: BlobStore,
    directory: CollectionDirectory,
    resources: AsyncExitStack,
) -> Pipelines:
    """Both pipelines, which drain when `resources` are left."""
    fetcher = await resources.enter_async_context(
        PictureFetcher(
            AddressPolicy.allowing(entry for entry in settings.fetch_allow.split(",") if entry.strip()),
            FetchLimits(max_bytes=settings.embedder_max_picture_bytes),
        )
    )
    pictures = PictureSource(blobs, fetcher, settings.embedder_max_picture_bytes)
    copies = Copies(directory, CollectionRegistry(bus))
    send_status = ItemStatusStore(bus).send
    outbox = await resources.enter_async_context(Outbox(bus.publish_all, send_status))
    bury_delivery = partial(_bury, bus)

    def item_embedder(priority: Priority) -> ItemEmbedder:
        return ItemEmbedder(
            models,
            pictures,
            metrics.count_vectors,
            max_pictures=settings.embedder_max_pictures_in_flight,
            priority=priority,
        )

    make_pipeline = partial(
        ItemPipeline,
        outbox=outbox,
        attempts=AttemptLog(settings.embedder_cache_dir / "attempts"),
        retry_policy=RetryPolicy(settings.embedder_max_deliveries),
        max_in_flight=settings.embedder_max_in_flight,
    )
    ingest = make_pipeline(
        IngestWork(
            item_embedder(Priority.INGEST),
            copies,
            publish_all=bus.publish_all,
            send_status=send_status,
            bury=bury_delivery,
        ),
        drain_seconds=settings.drain_seconds,
    )
    reembedding = make_pipeline(
        ReembedWork(item_embedder(Priority.REEMBED), copies, bury_delivery),
        # A stop does not wait for what nobody waits for: it is given back, and others do it.
        drain_seconds=0.0,
        may_begin=ingest.wait_until_calm,
    )
    for pipeline in (ingest, reembedding):
        await resources.enter_async_context(pipeline)
    metrics.INGEST_IN_FLIGHT.set_function(lambda: ingest.in_flight)
    metrics.REEMBED_IN_FLIGHT.set_function(lambda: reembedding.in_flight)
    return Pipelines(ingest, reembedding)


async def _bury(bus: Bus, delivery: IngestDelivery, fate: Bury) -> None:
    await bury(
        bus,
        original_subject=delivery.subject,
        payload=delivery.payload,
        headers=dict(delivery.headers),
        service="embedder",
        code=fate.code,
        reason=fate.reason,
        original_sequence=delivery.sequence,
        position=delivery.position,
    )
