"""Where operations of one collection are asked for and carried out, one at a time."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import Command, OperationRecord, OperationState, Rebuild
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConflictError, InvalidInputError, UnavailableError
from sightwire_indexer import metrics
from sightwire_indexer.operations.judging import MAX_ATTEMPTS, Verdict, judge
from sightwire_indexer.operations.operation import CarryOut
from sightwire_indexer.operations.running import RunningOperation
from sightwire_indexer.operations.store import OperationStore
from sightwire_indexer.retrying import Retrying
from sightwire_indexer.tasks import run_with_company

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 1.0


class OperationDesk:
    """Await `open` first, then call `run` once beside whatever uses the desk.

    Args:
        carriers: what carries each kind of command out.
        timeout_seconds: how long an attempt at an operation may take, unless its command says otherwise.
        is_owner: whether no other process can own the collection yet.
        forget_unfinished: forgets what an operation leaves that will not go on; called when none runs.
        check: raises a SightwireError when a command must not be carried out now.
    """

    def __init__(
        self,
        record: CollectionRecord,
        store: OperationStore,
        carriers: Mapping[str, CarryOut],
        *,
        timeout_seconds: float,
        is_owner: Callable[[], bool],
        forget_unfinished: Callable[[], Awaitable[None]],
        check: Callable[[Command], Awaitable[None]],
    ) -> None:
        self._check = check
        self._record = record
        self._store = store
        self._carriers = carriers
        #: Of the operations that begin from now on; may be replaced.
        self.timeout_seconds = timeout_seconds
        self._is_owner = is_owner
        self._forget_unfinished = forget_unfinished
        # The bus's being away shows in the health of the bus.
        self._retrying = Retrying(lambda _problem: None)
        #: Held from the moment in which an operation may begin until it has ended.
        self._current: RunningOperation | None = None
        self._is_beginning = False
        self._begun = asyncio.Event()
        self._is_closing = False

    @property
    def running(self) -> OperationRecord | None:
        """The operation that runs, None if none does."""
        if self._current is None or self._current.record.state.is_final:
            return None
        return self._current.record

    async def open(self) -> None:
        """Takes up what an indexer before this one left unfinished.

        Raises:
            ConflictError: another indexer owns the collection.
            UnavailableError: the bus does not answer.
        """
        await self._store.end_orphans(self._record.name, living_uid=self._record.uid)
        for stored in await self._store.unfinished(self._record.name):
            operation = RunningOperation(stored, self._store, self._retrying)
            if self._current is not None:
                await operation.end(Verdict(OperationState.FAILED, "another operation was running"))
            elif stored.record.attempts >= MAX_ATTEMPTS:
                reason = f"the indexer ended in each of {stored.record.attempts} attempts; its log may say why"
                await operation.end(Verdict(OperationState.FAILED, reason))
            else:
                await operation.begin_again()
                self._begin(operation)
        if self._current is None:
            await self._forget_unfinished()

    async def start(self, command: Command, *, requested_by: str) -> OperationRecord:
        """Begins an operation and returns its record.

        Raises:
            ConflictError: another one is running, another indexer owns the collection, or it moves to another model.
            InvalidInputError: this indexer cannot carry out such a command.
            UnavailableError: the indexer is stopping, or the bus does not answer.
        """
        if command.kind not in self._carriers:
            raise InvalidInputError(f"this indexer cannot {command.kind}; it can: {', '.join(sorted(self._carriers))}")
        if self._is_closing:
            raise UnavailableError("the indexer is stopping; another one will own the collection in some seconds")
        if not self._is_owner():
            raise ConflictError(f"another indexer may own collection {self._record.name!r}; try again")
        if self._current is not None and self._current.record.state.is_final:
            # Its end is being stored, and may be known already.
            await asyncio.shield(self._current.final)
        if (busy := self._busy_with()) is not None:
            raise ConflictError(f"{busy}; wait for its end or cancel it")
        self._is_beginning = True
        try:
            await self._check(command)
            record = OperationRecord(
                id=uuid.uuid4().hex,
                collection=self._record.name,
                collection_uid=self._record.uid,
                command=command,
                requested_by=requested_by,
            )
            stored = await self._store.write(record, after=0)
            self._begin(RunningOperation(stored, self._store, self._retrying))
        finally:
            self._is_beginning = False
        return record

    async def cancel(self, operation: str) -> OperationRecord:
        """Ends an operation and returns its record; one that has ended already stays as it is.

        Raises:
            NotFoundError: there is none of this id.
            UnavailableError: the indexer is stopping, or the bus does not answer.
        """
        if self._current is not None and self._current.record.id == operation:
            self._current.cancel_requested.set()
        return await self.wait(operation)

    async def wait(self, operation: str) -> OperationRecord:
        """The record of an operation once it has ended; raises as `cancel` does."""
        if self._current is not None and self._current.record.id == operation:
            return await asyncio.shield(self._current.final)
        record = await self._store.get(self._record.name, operation)
        if not record.state.is_final:
            raise UnavailableError(f"operation {operation} goes on with another indexer; ask again")
        return record

    async def run(self, stopping: asyncio.Event) -> None:
        """Carries operations out until `stopping` is set; the one that runs then is left to the next owner.

        Raises:
            ConflictError: another indexer owns the collection.
        """
        working = self._work()
        try:
            await run_with_company(stopping.wait(), working)
        finally:
            self._is_closing = True
            if self._current is not None and not self._current.final.done():
                self._current.final.set_exception(
                    UnavailableError(
                        f"the indexer is stopping; operation {self._current.record.id} goes on with its next owner"
                    )
                )

    async def _work(self) -> None:
        while True:
            await self._begun.wait()
            self._begun.clear()
            operation = self._current
            assert operation is not None, "an operation that began is the current one"
            command = operation.record.command
            started = time.monotonic()
            with metrics.RUNNING_OPERATIONS.labels(self._record.name, command.kind).track_inprogress():
                verdict = await self._carry_out(operation)
            await self._retrying.until_available(self._forget_unfinished, "forget what was not finished")
            self._observe(operation.record, verdict, time.monotonic() - started)
            await operation.end(verdict)
            self._current = None

    async def _carry_out(self, operation: RunningOperation) -> Verdict:
        while True:
            verdict = await self._attempt(operation)
            if not self._is_owner():
                raise ConflictError(
                    f"the lease of {self._record.name!r} ran out during operation {operation.record.id}"
                )
            if verdict.state is not OperationState.RUNNING:
                return verdict
            logger.warning(
                "an operation is tried again",
                extra={"collection": self._record.name, "operation": operation.record.id, "reason": verdict.error},
            )
            await asyncio.sleep(_RETRY_SECONDS * operation.record.attempts)
            await operation.begin_again()

    async def _attempt(self, operation: RunningOperation) -> Verdict:
        command = operation.record.command
        timeout = self.timeout_seconds
        if isinstance(command, Rebuild) and command.timeout_seconds is not None:
            timeout = command.timeout_seconds
        carrying = asyncio.ensure_future(self._carriers[command.kind](operation))
        cancelled = asyncio.create_task(operation.cancel_requested.wait())
        telling = asyncio.create_task(operation.tell_progress())
        try:
            await asyncio.wait({carrying, cancelled, telling}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(carrying, cancelled, telling)
        if not telling.cancelled():
            telling.result()
        error = None if carrying.cancelled() else carrying.exception()
        if error is not None:
            logger.warning(
                "an attempt at an operation failed",
                extra={"collection": self._record.name, "operation": operation.record.id, "kind": command.kind},
                exc_info=error,
            )
        return judge(
            None if carrying.cancelled() or error is not None else carrying.result(),
            error,
            attempts=operation.record.attempts,
            was_cancelled=operation.cancel_requested.is_set(),
            timeout_seconds=timeout,
        )

    def _begin(self, operation: RunningOperation) -> None:
        self._current = operation
        self._begun.set()
        logger.info(
            "an operation begins",
            extra={
                "collection": self._record.name,
                "operation": operation.record.id,
                "kind": operation.record.command.kind,
                "attempt": operation.record.attempts,
            },
        )

    def _busy_with(self) -> str | None:
        if self._current is not None:
            record = self._current.record
            what = f"{record.command.kind}, {record.progress.stage}"
            return f"operation {record.id} ({what}) of collection {self._record.name!r} is running"
        return f"another operation of {self._record.name!r} is beginning" if self._is_beginning else None

    def _observe(self, record: OperationRecord, verdict: Verdict, seconds: float) -> None:
        kind = record.command.kind
        metrics.OPERATIONS.labels(self._record.name, kind, verdict.state.value).inc()
        metrics.OPERATION_SECONDS.labels(kind).observe(seconds)
        logger.info(
            "an operation ended",
            extra={
                "collection": self._record.name,
                "operation": record.id,
                "kind": kind,
                "state": verdict.state.value,
                "error": verdict.error,
            },
        )
