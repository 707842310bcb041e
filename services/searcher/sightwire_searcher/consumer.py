"""Hears of committed manifests, with FastStream. Every searcher hears of all of them."""

import logging
from collections.abc import Callable
from typing import Final

from faststream import AckPolicy, ExceptionMiddleware
from faststream.nats import JStream, NatsBroker
from faststream.specification import AsyncAPI
from nats.js.api import ConsumerConfig, DeliverPolicy
from pydantic import ValidationError

from sightwire import __version__
from sightwire.contracts import subjects
from sightwire.contracts.events import IndexReady
from sightwire.contracts.names import key_token
from sightwire.contracts.streams import INDEX

logger = logging.getLogger(__name__)

#: After this time without its searcher, the server forgets a consumer.
_FORGOTTEN_SECONDS: Final = 600.0


def subscribe(broker: NatsBroker, accept: Callable[[IndexReady], None], *, searcher: str) -> None:
    """Makes `accept` hear the last event of each collection, and then every new one, once the broker starts.

    The consumer is durable, so that a bus that restarts goes on where it was; its name is this searcher's own.
    """
    broker.add_middleware(ExceptionMiddleware(handlers={ValidationError: _report_malformed}))

    @broker.subscriber(
        subjects.index_ready("*"),
        durable=f"searcher-{key_token(searcher)}",
        stream=JStream(INDEX.name, declare=False),
        deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
        config=ConsumerConfig(inactive_threshold=_FORGOTTEN_SECONDS, max_deliver=-1),
        ack_policy=AckPolicy.ACK,
        title="index ready",
        description="A manifest is committed and can be loaded.",
    )
    async def index_ready(event: IndexReady) -> None:
        accept(event)


def asyncapi_document(broker: NatsBroker) -> bytes:
    """The AsyncAPI document, as JSON, of what the searcher consumes."""
    factory = AsyncAPI(
        broker, title="Sightwire searcher", version=__version__, description="Loads what the indexer commits."
    )
    return factory.to_specification().to_json().encode()


def _report_malformed(error: ValidationError) -> None:
    # The next check of all collections finds what this event should have told.
    logger.error("ignored a malformed event", extra={"error": str(error)})
