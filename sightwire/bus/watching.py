"""Following a key-value bucket for as long as a service lives, whatever happens to the server meanwhile."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.kv import KV_DEL, KV_PURGE

from sightwire.bus.connection import Bus
from sightwire.contracts.streams import BucketDefinition
from sightwire.errors import UnavailableError

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_READ_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class BucketChange:
    """A put, or a deletion or expiry (`value` None)."""

    key: str
    value: bytes | None
    revision: int


async def read_bucket(bus: Bus, bucket: BucketDefinition, keys: str = ">") -> list[BucketChange]:
    """The values that are there now, under keys that match.

    Raises:
        UnavailableError: the bus does not answer.
    """
    present: list[BucketChange] = []
    try:
        async with asyncio.timeout(_READ_SECONDS):
            watcher = await (await bus.bucket(bucket)).watch(keys, ignore_deletes=True)
            try:
                async for entry in watcher:
                    if entry is None:
                        break
                    present.append(BucketChange(entry.key, entry.value, entry.revision or 0))
            finally:
                if bus.is_connected:
                    await watcher.stop()  # type: ignore[no-untyped-call]
    except (NatsError, JetStreamError, TimeoutError) as error:
        raise UnavailableError(f"the bus did not list bucket {bucket.name!r}: {error!r}; try again") from error
    return present


async def watch_bucket(bus: Bus, bucket: BucketDefinition, keys: str = ">") -> AsyncGenerator[BucketChange | None]:
    """Present values, then None once, then every change. A watch that breaks is begun anew, without a second None.

    After a new beginning present values come again, so that consumers must take repetitions.
    """
    complete = False
    while True:
        try:
            watcher = await (await bus.bucket(bucket)).watch(keys)
        except (NatsError, JetStreamError, TimeoutError) as error:
            logger.warning("cannot watch a bucket yet", extra={"bucket": bucket.name, "error": repr(error)})
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        try:
            async for entry in watcher:
                if entry is None:
                    if not complete:
                        complete = True
                        yield None
                    continue
                gone = entry.operation in (KV_DEL, KV_PURGE)
                yield BucketChange(entry.key, None if gone else entry.value, entry.revision or 0)
        finally:
            if bus.is_connected:
                await watcher.stop()  # type: ignore[no-untyped-call]
