"""Takes ingest events off the bus in batches, with FastStream, and hands them to the pipeline."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.message import NatsBatchMessage
from nats.js.api import ConsumerConfig

from sightwire.bus.asyncapi import asyncapi_document
from sightwire.bus.prompt_batches import PromptBatchSubscriber, hand_over_promptly
from sightwire.contracts import subjects
from sightwire.contracts.streams import EMBEDDER_CONSUMER, INGEST
from sightwire_embedder.ingest.delivery import DeliveredBatch, IngestDelivery
from sightwire_embedder.ingest.pipeline import ACK_WAIT_SECONDS

#: Events that are fetched at once.
FETCHED_EVENTS: Final = 64
#: Events of all embedders together that may be unanswered.
_MAX_UNANSWERED: Final = 4096
#: How long one request for events stays with the server; after a reconnect nothing comes for so long at most.
_FETCH_SECONDS: Final = 1.0

Accept = Callable[[Sequence[IngestDelivery]], Awaitable[None]]


def subscribe(broker: NatsBroker, accept: Accept) -> PromptBatchSubscriber:
    """Makes `accept` the consumer of all ingest events, once the broker starts; it answers for each message itself."""

    subscriber = hand_over_promptly(
        broker.subscriber(
            subjects.INGEST_ALL,
            durable=EMBEDDER_CONSUMER,
            stream=JStream(INGEST.name, declare=False),
            pull_sub=PullSub(batch_size=FETCHED_EVENTS, timeout=_FETCH_SECONDS, batch=True),
            # The pipeline decides how often an event is tried, and buries it after that.
            config=ConsumerConfig(ack_wait=ACK_WAIT_SECONDS, max_ack_pending=_MAX_UNANSWERED, max_deliver=-1),
            ack_policy=AckPolicy.MANUAL,
            decoder=_deliveries,
            title="ingest",
            description="Items to embed: put or delete, one event each, from the gateway or any other publisher.",
        )
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


async def _deliveries(batch: NatsBatchMessage) -> DeliveredBatch:
    return DeliveredBatch(map(IngestDelivery.from_message, batch.raw_message))


def asyncapi(broker: NatsBroker) -> bytes:
    """The AsyncAPI document, as JSON, of what the embedder consumes and publishes."""
    return asyncapi_document(broker, title="Sightwire embedder", description="Embeds ingest events.")
