"""Following a key-value bucket for as long as a service lives, whatever happens to the server meanwhile."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from nats.errors import Error as NatsError

from sightwire.bus.bucket_consumer import BucketChange, BucketConsumer
from sightwire.bus.connection import Bus
from sightwire.contracts.streams import BucketDefinition
from sightwire.errors import UnavailableError

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_READ_SECONDS = 10.0
_BROKEN = (NatsError, UnavailableError, TimeoutError)


async def read_bucket(bus: Bus, bucket: BucketDefinition, keys: str = ">") -> list[BucketChange]:
    """The values that are there now, under keys that match.

    Raises:
        UnavailableError: the bus does not answer.
    """
    present: list[BucketChange] = []
    try:
        async with (
            asyncio.timeout(_READ_SECONDS),
            BucketConsumer(bus, bucket, keys) as consumer,
            aclosing(consumer.changes()) as changes,
        ):
            async for change in changes:
                if change is None:
                    break
                if change.value is not None:
                    present.append(change)
    except _BROKEN as error:
        raise UnavailableError(f"the bus did not list bucket {bucket.name!r}: {error!r}; try again") from error
    return present


async def watch_bucket(bus: Bus, bucket: BucketDefinition, keys: str = ">") -> AsyncGenerator[BucketChange | None]:
    """Present values, then None once, then every change. A watch that breaks is begun anew, without a second None.

    After a new beginning present values come again, so that consumers must take repetitions; keys that went without a
    trace meanwhile come as deletions.

    Raises:
        UnavailableError: the connection was closed for good.
    """
    was_complete = False
    known: set[str] = set()
    while True:
        unseen = set(known)
        try:
            async with BucketConsumer(bus, bucket, keys) as consumer, aclosing(consumer.changes()) as changes:
                async for change in changes:
                    if change is not None:
                        unseen.discard(change.key)
                        (known.discard if change.value is None else known.add)(change.key)
                        yield change
                        continue
                    for key in unseen:
                        known.discard(key)
                        yield BucketChange(key, None)
                    if not was_complete:
                        was_complete = True
                        yield None
        except _BROKEN as error:
            logger.warning("a watch of a bucket begins anew", extra={"bucket": bucket.name, "error": repr(error)})
        await _wait_for_connection(bus)


async def _wait_for_connection(bus: Bus) -> None:
    await asyncio.sleep(_RETRY_SECONDS)
    while not bus.is_connected:
        if bus.client.is_closed:
            raise UnavailableError("the connection to the bus was closed for good; start again")
        await asyncio.sleep(_RETRY_SECONDS)
