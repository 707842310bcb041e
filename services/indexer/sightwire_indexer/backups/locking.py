"""One at a time writes backups of a collection or removes files of them, whichever indexer it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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
    """Locks by collection name, as leases on the bus: a process that died holds one for some seconds more."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    @asynccontextmanager
    async def hold(self, collection: str, *, wait_seconds: float) -> AsyncIterator[Callable[[], None]]:
        """Holds the lock of a collection's backups; gives what raises UnavailableError as soon as it is lost.

        Raises:
            ConflictError: somebody else holds it, also after `wait_seconds`.
            UnavailableError: the bus does not answer.
        """
        # An owner of its own each time: two tasks of one process exclude each other as well.
        keeper = LeaseKeeper(self._bus, uuid4().hex)
        lease = await _acquire(keeper, collection, wait_seconds)
        renewing = asyncio.create_task(_renew(keeper, lease), name=f"lock backups of {collection}")

        def require_lock() -> None:
            if renewing.done() or not lease.is_current(asyncio.get_running_loop().time()):
                raise UnavailableError(f"the lock of the backups of {collection!r} was lost: was the bus away?")

        try:
            yield require_lock
        finally:
            await end_tasks(renewing)
            await keeper.release(lease)


def lock_name(collection: str) -> str:
    """Name of the lease that is the lock of a collection's backups."""
    return f"backups.{collection}"


async def _acquire(keeper: LeaseKeeper, collection: str, wait_seconds: float) -> Lease:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    while True:
        try:
            lease = await keeper.acquire(lock_name(collection))
        except (NatsError, JetStreamError, TimeoutError) as error:
            raise UnavailableError(f"the bus does not lock the backups of {collection!r}: {error!r}") from error
        if lease is not None:
            return lease
        if loop.time() >= deadline:
            raise ConflictError(
                f"backups of {collection!r} are being written or removed by somebody else now; try again later"
            )
        await asyncio.sleep(_RETRY_SECONDS)


async def _renew(keeper: LeaseKeeper, lease: Lease) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        if not await keeper.renew(lease):
            return
