"""An operation that is being carried out: its record as it changes, stored and told."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sightwire.contracts.operations import OperationRecord, OperationState, Progress
from sightwire_indexer.operations.judging import Verdict
from sightwire_indexer.operations.store import OperationStore, StoredOperation, ended
from sightwire_indexer.retrying import Retrying

#: Progress is told so often at most.
_PROGRESS_SECONDS: Final = 0.5


class RunningOperation:
    """`Operation` on the bus. While the bus is away it waits for it."""

    def __init__(self, stored: StoredOperation, store: OperationStore, retrying: Retrying) -> None:
        self._stored = stored
        self._record = stored.record
        self._store = store
        self._retrying = retrying
        self._turns = asyncio.Lock()
        self._progressed = asyncio.Event()
        # That it begins is to be told, too.
        self._progressed.set()
        self.cancel_requested = asyncio.Event()
        #: The record once the operation has ended; an error if this process will not see its end.
        self.final: asyncio.Future[OperationRecord] = asyncio.get_running_loop().create_future()
        # Often nobody waits, and then nobody need be told of an error that nobody looked at.
        self.final.add_done_callback(lambda final: final.cancelled() or final.exception())

    @property
    def record(self) -> OperationRecord:
        """The newest record, of which the newest progress may not be stored yet."""
        return self._record

    async def report(self, progress: Progress) -> None:
        """See `Operation.report`."""
        self._change(progress=progress)
        self._progressed.set()

    async def remember(self, memory: Mapping[str, Any]) -> None:
        """See `Operation.remember`.

        Raises:
            ConflictError: another indexer owns the collection.
        """
        self._change(memory=dict(memory))
        await self._write()

    async def tell_progress(self) -> None:
        """Stores what was reported, until cancelled.

        Raises:
            ConflictError: another indexer owns the collection.
        """
        while True:
            await self._progressed.wait()
            self._progressed.clear()
            await self._write()
            await asyncio.sleep(_PROGRESS_SECONDS)

    async def begin_again(self) -> None:
        """Counts another attempt; raises as `remember` does."""
        self._change(attempts=self._record.attempts + 1)
        await self._write()

    async def end(self, verdict: Verdict) -> None:
        """Stores how the operation ended; raises as `remember` does."""
        assert verdict.state is not OperationState.RUNNING, "an operation that goes on has not ended"
        self._record = ended(self._record, verdict.state, error=verdict.error, result=verdict.result)
        await self._write()
        self.final.set_result(self._record)

    def _change(self, **members: object) -> None:
        self._record = self._record.model_copy(update={**members, "updated_at": datetime.now(UTC)})

    async def _write(self) -> None:
        async with self._turns:
            record = self._record
            self._stored = await self._retrying.until_available(
                lambda: self._store.write(record, after=self._stored.revision), "store an operation"
            )
            await self._retrying.until_available(lambda: self._store.tell(record), "tell of an operation")
