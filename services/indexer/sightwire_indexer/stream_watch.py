"""Watches how far INGEST and EMBEDDED have come, for the horizon of tombstones."""

import asyncio
import logging
import time

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from sightwire.bus.connection import Bus
from sightwire.contracts.streams import EMBEDDED, INGEST
from sightwire_indexer.tombstone_horizon import TombstoneHorizon

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 30.0


async def watch_streams(bus: Bus, horizon: TombstoneHorizon) -> None:
    """Observes until cancelled."""
    while True:
        try:
            ingest = (await bus.jetstream.stream_info(INGEST.name)).state
            embedded = (await bus.jetstream.stream_info(EMBEDDED.name)).state
        except (NatsError, JetStreamError, TimeoutError) as error:
            logger.debug("the bus does not describe its streams now", extra={"error": repr(error)})
        else:
            first_waiting = ingest.first_seq if ingest.messages else ingest.last_seq + 1
            horizon.observe(time.monotonic(), first_waiting_version=first_waiting, embedded_sequence=embedded.last_seq)
        await asyncio.sleep(_INTERVAL_SECONDS)
