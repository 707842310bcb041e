"""Takes ingest events and items for other copies off the bus in batches, with FastStream, and hands them on."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.message import NatsBatchMessage
from nats.js.api import ConsumerConfig

from sightwire.bus.asyncapi import asyncapi_document
from sightwire.bus.prompt_batches import PromptBatchSubscriber, hand_over_promptly
from sightwire.contracts import subjects
from sightwire.contracts.streams import (
    EMBEDDER_CONSUMER,
    INGEST,
    REEMBED,
    REEMBEDDER_CONSUMER,
    StreamDefinition,
)
from sightwire_embedder.ingest.delivery import DeliveredBatch, DeliveredReembedBatches, IngestDelivery
from sightwire_embedder.ingest.pipeline import ACK_WAIT_SECONDS

#: Events that are fetched at once.
FETCHED_EVENTS: Final = 64
#: Messages of REEMBED that are fetched at once, each with many items, which an embedder holds while ingest has work.
_FETCHED_REEMBED_MESSAGES: Final = 4
#: Messages of all embedders together that may be unanswered. Those that wait for a model that nobody serves are among
#: them, and would keep all others from being delivered if there were more.
_MAX_UNANSWERED: Final = 65_536
#: How long one request for events stays with the server; after a reconnect nothing comes for so long at most.
_FETCH_SECONDS: Final = 1.0

Accept = Callable[[Sequence[IngestDelivery]], Awaitable[None]]


def subscribe(broker: NatsBroker, accept: Accept) -> PromptBatchSubscriber:
    """Makes `accept` the consumer of all ingest events, once the broker starts; it answers for each message itself."""
    subscriber = _pull(
        broker,
        INGEST,
        subjects.INGEST_ALL,
        durable=EMBEDDER_CONSUMER,
        fetched=FETCHED_EVENTS,
        deliveries=DeliveredBatch,
        title="ingest",
        description="Items to embed: put or delete, one event each, from the gateway or any other publisher.",
    )

    @subscriber
    async def ingest(events: DeliveredBatch) -> None:
        await accept(events)

    broker.publisher(
        subjects.EMBEDDED_ALL,
        schema=bytes,
        title="embedded",
        description="Embedded items of one collection and space: protobuf message sightwire.v1.EmbeddedBatch.",
    )
    return subscriber


def subscribe_to_reembed(broker: NatsBroker, accept: Accept) -> PromptBatchSubscriber:
    """Makes `accept` the consumer of items for other copies of collections; it answers for each message itself."""
    subscriber = _pull(
        broker,
        REEMBED,
        subjects.REEMBED_ALL,
        durable=REEMBEDDER_CONSUMER,
        fetched=_FETCHED_REEMBED_MESSAGES,
        deliveries=DeliveredReembedBatches,
        title="reembed",
        description="Items that another copy of a collection is to have, too: protobuf message "
        "sightwire.v1.ReembedBatch, from embedders and from whoever fills a shadow.",
    )

    @subscriber
    async def reembed(batches: DeliveredReembedBatches) -> None:
        await accept(batches)

    broker.publisher(
        subjects.REEMBED_ALL,
        schema=bytes,
        title="passed-on",
        description="New items of a collection for its other copies: protobuf message sightwire.v1.ReembedBatch.",
    )
    return subscriber


def _pull(
    broker: NatsBroker,
    stream: StreamDefinition,
    subject: str,
    *,
    durable: str,
    fetched: int,
    deliveries: type[DeliveredBatch],
    title: str,
    description: str,
) -> PromptBatchSubscriber:
    async def read(batch: NatsBatchMessage) -> DeliveredBatch:
        return deliveries(map(IngestDelivery.from_message, batch.raw_message))

    return hand_over_promptly(
        broker.subscriber(
            subject,
            durable=durable,
            stream=JStream(stream.name, declare=False),
            pull_sub=PullSub(batch_size=fetched, timeout=_FETCH_SECONDS, batch=True),
            # The pipeline decides how often an event is tried, and buries it after that.
            config=ConsumerConfig(ack_wait=ACK_WAIT_SECONDS, max_ack_pending=_MAX_UNANSWERED, max_deliver=-1),
            ack_policy=AckPolicy.MANUAL,
            decoder=read,
            title=title,
            description=description,
        )
    )


def asyncapi(broker: NatsBroker) -> bytes:
    """The AsyncAPI document, as JSON, of what the embedder consumes and publishes."""
    return asyncapi_document(broker, title="Sightwire embedder", description="Embeds ingest events.")
