"""Hears of committed manifests, with FastStream. Every searcher hears of all of them."""

import logging
from collections.abc import Callable
from typing import Final

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.message import NatsBatchMessage
from nats.js.api import ConsumerConfig, DeliverPolicy
from pydantic import ValidationError

from sightwire.bus.asyncapi import asyncapi_document
from sightwire.bus.prompt_batches import PromptBatchSubscriber, hand_over_promptly
from sightwire.contracts import subjects
from sightwire.contracts.events import IndexReady
from sightwire.contracts.names import key_token
from sightwire.contracts.streams import INDEX

logger = logging.getLogger(__name__)

#: After this time without its searcher, the server forgets a consumer.
_FORGOTTEN_SECONDS: Final = 600.0
_FETCHED_EVENTS: Final = 64
#: How long one request for events stays with the server; after a reconnect nothing comes for so long at most.
_FETCH_SECONDS: Final = 1.0


def subscribe(broker: NatsBroker, accept: Callable[[IndexReady], None], *, searcher: str) -> PromptBatchSubscriber:
    """Makes `accept` hear the last event of each collection, and then every new one, once the broker starts.

    The consumer is durable, so that a bus that restarts goes on where it was; its name is this searcher's own.
    """
    subscriber = hand_over_promptly(
        broker.subscriber(
            subjects.index_ready("*"),
            durable=f"searcher-{key_token(searcher)}",
            stream=JStream(INDEX.name, declare=False),
            pull_sub=PullSub(batch_size=_FETCHED_EVENTS, timeout=_FETCH_SECONDS, batch=True),
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
            config=ConsumerConfig(inactive_threshold=_FORGOTTEN_SECONDS, max_deliver=-1),
            ack_policy=AckPolicy.ACK,
            decoder=_events,
            title="index ready",
            description="A manifest is committed and can be loaded.",
        )
    )

    @subscriber
    async def index_ready(events: list[IndexReady]) -> None:
        for event in events:
            accept(event)

    return subscriber


def asyncapi(broker: NatsBroker) -> bytes:
    """The AsyncAPI document, as JSON, of what the searcher consumes."""
    return asyncapi_document(broker, title="Sightwire searcher", description="Loads what the indexer commits.")


async def _events(batch: NatsBatchMessage) -> list[IndexReady]:
    events = []
    for message in batch.raw_message:
        try:
            events.append(IndexReady.model_validate_json(message.data))
        except ValidationError as error:
            # The next check of all collections finds what this event should have told.
            logger.error("ignored a malformed event", extra={"subject": message.subject, "error": str(error)})
    return events
