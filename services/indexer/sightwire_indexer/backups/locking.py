"""One at a time does what must not be done twice at once, whichever indexer it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final
from uuid import uuid4

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from sightwire.bus.connection import Bus
from sightwire.bus.leases import RENEW_SECONDS, Lease, LeaseKeeper
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConflictError, UnavailableError

_RETRY_SECONDS: Final = 1.0


class BackupLocks:
    """Locks of collections' backups: held while they are written, and while files of them are removed."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def hold(self, collection: str, *, wait_seconds: float) -> AbstractAsyncContextManager[Callable[[], None]]:
        """Holds the lock of a collection's backups; see `hold_lock`."""
        return hold_lock(self._bus, lock_name(collection), f"backups of {collection!r}", wait_seconds=wait_seconds)


def lock_name(collection: str) -> str:
    """Name of the lease that is the lock of a collection's backups."""
    return f"backups.{collection}"


@asynccontextmanager
async def hold_lock(bus: Bus, name: str, what: str, *, wait_seconds: float) -> AsyncIterator[Callable[[], None]]:
    """Holds a lock, which is a lease on the bus; gives what raises UnavailableError as soon as it is lost.

    A process that died holds its lock for some seconds more.

    Args:
        what: it locks, in words.

    Raises:
        ConflictError: somebody else holds it, also after `wait_seconds`.
        UnavailableError: the bus does not answer.
    """
    # An owner of its own each time: two tasks of one process exclude each other as well.
    keeper = LeaseKeeper(bus, uuid4().hex)
    lease = await _acquire(keeper, name, what, wait_seconds)
    renewing = asyncio.create_task(_renew(keeper, lease), name=f"renew {name}")

    def require_lock() -> None:
        if renewing.done() or not lease.is_current(asyncio.get_running_loop().time()):
            raise UnavailableError(f"the lock of {what} was lost: was the bus away?")

    try:
        yield require_lock
    finally:
        await end_tasks(renewing)
        await keeper.release(lease)


async def _acquire(keeper: LeaseKeeper, name: str, what: str, wait_seconds: float) -> Lease:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    while True:
        try:
            lease = await keeper.acquire(name)
        except (NatsError, JetStreamError, TimeoutError) as error:
            raise UnavailableError(f"the bus does not lock {what}: {error!r}") from error
        if lease is not None:
            return lease
        if loop.time() >= deadline:
            raise ConflictError(f"{what} are being changed by somebody else now; try again later")
        await asyncio.sleep(_RETRY_SECONDS)


async def _renew(keeper: LeaseKeeper, lease: Lease) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        if not await keeper.renew(lease):
            return
