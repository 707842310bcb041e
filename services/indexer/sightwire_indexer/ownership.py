"""Owns a collection: holds its lease, opens its index, and decides what follows when indexing ends."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from enum import StrEnum
from typing import Any, Final

from sightwire.bus.leases import RENEW_SECONDS, Lease, LeaseKeeper
from sightwire.errors import ConflictError, CorruptDataError, SightwireError
from sightwire_indexer import metrics
from sightwire_indexer.tasks import run_with_company

logger = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS: Final = 0.2
_MAX_RETRY_SECONDS: Final = 10.0

#: Indexes while the first function says that the lease holds, until the event is set; the last one hears of problems.
IndexCollection = Callable[[Callable[[], bool], asyncio.Event, Callable[[str | None], None]], Coroutine[Any, Any, None]]


class OwnerState(StrEnum):
    """How far a collection's owner has come."""

    #: Another indexer owns the collection; this one takes over when that one goes.
    STANDBY = "standby"
    OPENING = "opening"
    INDEXING = "indexing"
    #: Something failed that may pass; trying again.
    RETRYING = "retrying"
    #: Stopped: going on would skip or corrupt items. A person must look.
    FAILED = "failed"


class NextStep(StrEnum):
    """What an owner does after indexing ended with an error."""

    #: Another indexer owns the collection now: wait until it is free.
    STAND_BY = "stand by"
    RETRY = "retry"
    STOP = "stop"


def after_failure(error: BaseException) -> NextStep:
    """Decides by the error that ended indexing; of several, the gravest one counts."""
    if isinstance(error, BaseExceptionGroup):
        steps = {after_failure(part) for part in error.exceptions}
        return next(step for step in (NextStep.STOP, NextStep.STAND_BY, NextStep.RETRY) if step in steps)
    if isinstance(error, CorruptDataError):
        return NextStep.STOP
    if isinstance(error, ConflictError):
        return NextStep.STAND_BY
    return NextStep.RETRY


def describe_failure(error: BaseException) -> str:
    """The error's own words, without the groups around it."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe_failure(part) for part in error.exceptions)
    return error.detail if isinstance(error, SightwireError) else repr(error)


class CollectionOwner:
    """Call `run` once, as a task.

    Args:
        index: opens and indexes the collection.
        report_failure: tells the world why the collection was stopped.
    """

    def __init__(
        self,
        collection: str,
        leases: LeaseKeeper,
        index: IndexCollection,
        report_failure: Callable[[str], Awaitable[None]],
    ) -> None:
        self._collection = collection
        self._leases = leases
        self._index = index
        self._report_failure = report_failure
        self._stopping = asyncio.Event()
        self.state = OwnerState.OPENING
        self._reason = ""

    @property
    def problem(self) -> str | None:
        """Why the collection is not being indexed though it should be; None when all is well."""
        if self.state in (OwnerState.INDEXING, OwnerState.STANDBY):
            return None
        return f"{self.state.value}: {self._reason}" if self._reason else self.state.value

    def stop(self) -> None:
        """Drains: what was read is committed, then `run` returns."""
        self._stopping.set()

    async def run(self) -> None:
        """Owns the collection whenever no other indexer does, until `stop`; returns early when it must be stopped."""
        delay = _FIRST_RETRY_SECONDS
        while not self._stopping.is_set():
            try:
                lease = await self._leases.acquire(lease_name(self._collection))
                if lease is None:
                    self._become(OwnerState.STANDBY)
                    await self._pause(RENEW_SECONDS)
                    continue
                self._become(OwnerState.OPENING, self._reason)
                await self._own(lease)
                delay = _FIRST_RETRY_SECONDS
            except Exception as error:
                step = after_failure(error)
                if step is NextStep.STOP:
                    await self._fail(describe_failure(error))
                    return
                self._log(error, step)
                if self.state is OwnerState.INDEXING:
                    delay = _FIRST_RETRY_SECONDS
                self._become(
                    OwnerState.STANDBY if step is NextStep.STAND_BY else OwnerState.RETRYING, describe_failure(error)
                )
                await self._pause(RENEW_SECONDS if step is NextStep.STAND_BY else delay)
                delay = min(2 * delay, _MAX_RETRY_SECONDS)

    async def _own(self, lease: Lease) -> None:
        """Indexes while the lease is renewed beside it."""
        loop = asyncio.get_running_loop()
        try:
            await run_with_company(
                self._index(lambda: lease.is_current(loop.time()), self._stopping, self._hear),
                self._renew(lease),
            )
        finally:
            await self._leases.release(lease)

    def _hear(self, problem: str | None) -> None:
        self._become(OwnerState.INDEXING if problem is None else OwnerState.RETRYING, problem or "")

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if not await self._leases.renew(lease):
                raise ConflictError(f"the lease {lease.name!r} was lost to another indexer")

    async def _fail(self, reason: str) -> None:
        self._become(OwnerState.FAILED, reason)
        logger.error("a collection was stopped", extra={"collection": self._collection, "reason": reason})
        try:
            await self._report_failure(reason)
        except SightwireError as error:
            logger.warning("cannot report a stopped collection", extra={"error": error.detail})

    def _log(self, error: Exception, step: NextStep) -> None:
        extra = {"collection": self._collection, "reason": describe_failure(error), "next": step.value}
        if step is NextStep.STAND_BY:
            logger.warning("gave a collection up", extra=extra)
        else:
            logger.warning("indexing was interrupted", extra=extra, exc_info=error)

    def _become(self, state: OwnerState, reason: str = "") -> None:
        self.state = state
        self._reason = reason
        metrics.OWNER_STATE.labels(self._collection).state(state.value)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds * random.uniform(0.8, 1.2)):  # noqa: S311  jitter
                await self._stopping.wait()
        except TimeoutError:
            return


def lease_name(collection: str) -> str:
    """Name of the lease that makes an indexer the owner of a collection."""
    return f"indexer.{collection}"
