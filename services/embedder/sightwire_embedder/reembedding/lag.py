"""How much waits in REEMBED, for those who watch."""

import asyncio
import logging
from typing import Final

from nats.errors import Error as NatsError

from sightwire.bus.connection import Bus
from sightwire.contracts.streams import REEMBED, REEMBEDDER_CONSUMER
from sightwire_embedder import metrics

logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 5.0


async def observe_lag_for_ever(bus: Bus) -> None:
    """Keeps the metric current until cancelled."""
    while True:
        try:
            info = await bus.jetstream.consumer_info(REEMBED.name, REEMBEDDER_CONSUMER)
        except (NatsError, TimeoutError) as error:
            logger.debug("the bus does not tell what waits", extra={"error": repr(error)})
        else:
            metrics.REEMBED_WAITING.set((info.num_pending or 0) + (info.num_ack_pending or 0))
        await asyncio.sleep(_LOOK_SECONDS)
