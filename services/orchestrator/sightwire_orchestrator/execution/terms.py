"""One active orchestrator at a time: the holder of a lease, who claims the database; the others stand by."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import APIError

from sightwire.bus.leases import RENEW_SECONDS, Lease, LeaseKeeper
from sightwire.ending_tasks import end_tasks
from sightwire.errors import SightwireError
from sightwire_orchestrator.execution import metrics
from sightwire_orchestrator.execution.engine import Engine
from sightwire_orchestrator.storage.run_store import RunStore

logger = logging.getLogger(__name__)

LEASE: Final = "orchestrator"
_STAND_BY_SECONDS: Final = 1.0


class Terms:
    """Call `serve` once.

    Args:
        owner: this process, unlike any other.
        term: of an epoch: an engine that runs until the block ends, and what belongs to it.
    """

    def __init__(
        self,
        leases: LeaseKeeper,
        runs: RunStore,
        owner: str,
        term: Callable[[int], AbstractAsyncContextManager[Engine]],
    ) -> None:
        self._leases = leases
        self._runs = runs
        self._owner = owner
        self._term = term

    async def serve(self) -> None:
        """Carries runs on whenever no other orchestrator does, until cancelled."""
        metrics.IS_ACTIVE.set(0)
        while True:
            lease = await self._acquired()
            if lease is not None:
                await self._serve_term(lease)
            await asyncio.sleep(_STAND_BY_SECONDS)

    async def _acquired(self) -> Lease | None:
        try:
            return await self._leases.acquire(LEASE)
        except (NatsError, APIError, TimeoutError) as error:
            logger.warning("the lease cannot be asked for now", extra={"error": repr(error)})
            return None

    async def _serve_term(self, lease: Lease) -> None:
        holding = asyncio.create_task(self._hold(lease), name="lease")
        serving = asyncio.create_task(self._serve_claimed(lease), name="engine")
        try:
            await asyncio.wait({holding, serving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            metrics.IS_ACTIVE.set(0)
            await end_tasks(serving)
            await end_tasks(holding)
            with suppress(NatsError, APIError, TimeoutError):
                await self._leases.release(lease)
        if serving.cancelled():
            logger.warning("the lease is lost; another orchestrator may take over")
        elif (error := serving.exception()) is not None:
            if not isinstance(error, SightwireError | NatsError | APIError | TimeoutError):
                raise error
            logger.warning("runs are not carried on now", extra={"error": repr(error)})

    async def _serve_claimed(self, lease: Lease) -> None:
        epoch = await self._runs.claim(self._owner)
        if not lease.is_current(asyncio.get_running_loop().time()):
            # Another orchestrator may have claimed before; it will notice that it is fenced, and claim again.
            return
        async with self._term(epoch) as engine:
            metrics.IS_ACTIVE.set(1)
            logger.info("active", extra={"epoch": epoch})
            await engine.ended()

    async def _hold(self, lease: Lease) -> None:
        """Returns when the lease is lost."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if not await self._leases.renew(lease):
                return
