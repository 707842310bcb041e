"""Watches how far the bus's streams have come: for the horizon of tombstones, and for whoever operates them."""

import asyncio
import logging
import time

from nats.errors import Error as NatsError
from nats.js.api import StreamState
from nats.js.errors import Error as JetStreamError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.streams import EMBEDDED, INGEST, REEMBED, STREAMS, StreamDefinition
from sightwire_indexer.platform_metrics import observe_stream
from sightwire_indexer.tombstone_horizon import TombstoneHorizon

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 30.0


async def watch_streams(bus: Bus, horizon: TombstoneHorizon) -> None:
    """Observes until cancelled."""
    while True:
        try:
            # In this order, as the horizon needs it: what goes from one to the next is seen in one of them.
            states = {stream: await _state(bus, stream) for stream in (INGEST, REEMBED, EMBEDDED)}
            states |= {stream: await _state(bus, stream) for stream in STREAMS if stream not in states}
        except (NatsError, JetStreamError, TimeoutError) as error:
            logger.debug("the bus does not describe its streams now", extra={"error": repr(error)})
        else:
            for stream, state in states.items():
                observe_stream(stream, state)
            ingest, embedded = states[INGEST], states[EMBEDDED]
            first_waiting = ingest.first_seq if ingest.messages else ingest.last_seq + 1
            horizon.observe(
                time.monotonic(),
                first_waiting_version=first_waiting,
                embedded_sequence=embedded.last_seq,
                reembedding=frozenset(map(subjects.collection_of_reembed, states[REEMBED].subjects or ())),
            )
        await asyncio.sleep(_INTERVAL_SECONDS)


async def _state(bus: Bus, stream: StreamDefinition) -> StreamState:
    # Subjects are listed for few streams alone: others have many.
    subjects_filter = subjects.REEMBED_ALL if stream is REEMBED else None
    return (await bus.jetstream.stream_info(stream.name, subjects_filter)).state
