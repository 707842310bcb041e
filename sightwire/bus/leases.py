"""Leases: who owns a thing, renewed while its owner lives, fenced by the revision of the lease's key."""

import asyncio
import logging
from dataclasses import dataclass

from nats.errors import Error as NatsError
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError

from sightwire.bus.connection import Bus
from sightwire.contracts.streams import LEASES

logger = logging.getLogger(__name__)

RENEW_SECONDS = LEASES.ttl / 4


@dataclass(slots=True)
class Lease:
    """A lease that this process holds. `revision` grows with each renewal and owner: it is the fencing token."""

    name: str
    owner: str
    revision: int
    renewed_at: float

    def is_current(self, now: float) -> bool:
        """Whether no other process can hold it yet; `now` on the event loop's clock, in seconds."""
        return now - self.renewed_at < LEASES.ttl


class LeaseKeeper:
    """Takes, renews and gives back leases of one owner."""

    def __init__(self, bus: Bus, owner: str) -> None:
        self._bus = bus
        self._owner = owner

    async def acquire(self, name: str) -> Lease | None:
        """The lease, or None while another owner holds it. An owner that comes back gets its own lease again."""
        bucket = await self._bus.bucket(LEASES)
        asked_at = asyncio.get_running_loop().time()
        try:
            revision = await bucket.create(name, self._owner.encode())
        except KeyWrongLastSequenceError:
            return await self._take_back(name, asked_at)
        return Lease(name, self._owner, revision, asked_at)

    async def renew(self, lease: Lease) -> bool:
        """Extends a lease; False when it was lost, after which its owner must not write any more."""
        bucket = await self._bus.bucket(LEASES)
        asked_at = asyncio.get_running_loop().time()
        try:
            lease.revision = await bucket.update(lease.name, self._owner.encode(), last=lease.revision)
        except KeyWrongLastSequenceError:
            return False
        except (NatsError, APIError, TimeoutError) as error:
            # Unknown whether it was stored: the lease lives on until its time is up, then it counts as lost.
            logger.warning("a lease could not be renewed", extra={"lease": lease.name, "error": repr(error)})
            return lease.is_current(asyncio.get_running_loop().time())
        lease.renewed_at = asked_at
        return True

    async def release(self, lease: Lease) -> None:
        """Gives a lease back, so that another owner need not wait for its end."""
        bucket = await self._bus.bucket(LEASES)
        try:
            await bucket.delete(lease.name, last=lease.revision)
        except (KeyWrongLastSequenceError, NatsError, APIError, TimeoutError) as error:
            logger.info("a lease was gone already", extra={"lease": lease.name, "error": repr(error)})

    async def _take_back(self, name: str, asked_at: float) -> Lease | None:
        bucket = await self._bus.bucket(LEASES)
        try:
            entry = await bucket.get(name)
        except KeyNotFoundError:
            return None
        if entry.value != self._owner.encode() or entry.revision is None:
            return None
        lease = Lease(name, self._owner, entry.revision, asked_at)
        return lease if await self.renew(lease) else None
