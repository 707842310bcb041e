"""Begins the runs of schedules, follows their operations, and records how they ended."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

from sightwire.bus.connection import Bus
from sightwire.bus.headers import event_headers
from sightwire.bus.records import RecordReader
from sightwire.bus.watching import read_bucket
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import Command, OperationRecord
from sightwire.contracts.schedules import SchedulePaused, ScheduleRecord
from sightwire.contracts.streams import OPERATIONS
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConflictError, NotFoundError, SightwireError
from sightwire_indexer.schedules import history, metrics
from sightwire_indexer.schedules.store import ScheduleStore

logger = logging.getLogger(__name__)

#: How often it is looked whether an operation has ended that another indexer carries out.
_ASK_AGAIN_SECONDS: Final = 5.0


class Operations(Protocol):
    """What a schedule needs of the desk that carries operations out."""

    @property
    def running(self) -> OperationRecord | None:
        """The operation that the collection is busy with."""

    async def start(self, command: Command, *, requested_by: str) -> OperationRecord:
        """Begins an operation; it is recorded when this returns."""

    async def wait(self, operation: str) -> OperationRecord:
        """The operation once it has ended, be it one of before a crash."""


class Runs:
    """Runs of one collection's schedules. The caller sees to it that one method runs at a time.

    Args:
        index: the collection, or the shadow, whose operations begin.
        store: where schedules are.
        bus: connected.
        operations: carries out what is due.
        now: the wall clock, aware.
        on_end: called when an operation that is followed has ended; `follow` then settles its run.
    """

    def __init__(
        self,
        index: CollectionRecord,
        store: ScheduleStore,
        bus: Bus,
        operations: Operations,
        now: Callable[[], datetime],
        on_end: Callable[[], None],
    ) -> None:
        self._index = index
        self._store = store
        self._bus = bus
        self._operations = operations
        self._now = now
        self._on_end = on_end
        self._followers: dict[str, asyncio.Task[OperationRecord]] = {}

    @property
    def running(self) -> str | None:
        """Id of the operation that the collection is busy with, whoever asked for it."""
        operation = self._operations.running
        return operation.id if operation is not None else None

    async def begin(self, record: ScheduleRecord, due_at: datetime, trigger: str) -> ScheduleRecord:
        """Begins a run; returns the schedule as it is then."""
        record = history.begun(record, due_at, self._now(), trigger)
        # Stored before it begins: whatever happens now, it does not begin a second time.
        await self._store.write(record)
        try:
            operation = await self._operations.start(record.spec.command, requested_by=_requested_by(record))
        except ConflictError as error:
            return await self._settle(record, history.not_begun(record, self._now(), error.detail))
        except SightwireError as error:
            return await self._settle(record, history.failed(record, self._now(), error.detail))
        record = history.identified(record, operation.id)
        await self._store.write(record)
        return record

    async def leave_out(self, record: ScheduleRecord, due_at: datetime, reason: str, trigger: str) -> ScheduleRecord:
        """Records that a run was due and did not begin; returns the schedule as it is then."""
        record = history.left_out(record, due_at, self._now(), reason, trigger)
        await self._store.write(record)
        metrics.count_run(record, record.runs[-1].outcome)
        return record

    async def follow(self, record: ScheduleRecord) -> None:
        """Waits in the background for the operation of the open run; settles the run if it has ended."""
        run = history.open_run(record)
        if run is None:
            return
        operation = run.operation or await self._operation_begun_by(record)
        if operation is None:
            reason = "the indexer ended before the operation began"
            await self._settle(record, history.not_begun(record, self._now(), reason))
            return
        if run.operation is None:
            record = history.identified(record, operation)
            await self._store.write(record)
        follower = self._followers.get(operation) or self._start_following(operation)
        if not follower.done():
            return
        # Forgotten first: if the bus did not answer, it is asked again.
        del self._followers[operation]
        try:
            changed = history.ended(record, follower.result())
        except NotFoundError:
            changed = history.failed(record, self._now(), f"the record of operation {operation} is gone")
        await self._settle(record, changed)

    async def close(self) -> None:
        """Stops following; the operations go on."""
        await end_tasks(*self._followers.values())

    def _start_following(self, operation: str) -> asyncio.Task[OperationRecord]:
        follower = asyncio.ensure_future(self._end_of(operation))
        follower.add_done_callback(lambda _: self._on_end())
        self._followers[operation] = follower
        return follower

    async def _end_of(self, operation: str) -> OperationRecord:
        try:
            return await self._operations.wait(operation)
        except NotFoundError as not_found:
            # Perhaps it is one of the index that answered before this one.
            while (record := await self._find_anywhere(operation)) is not None:
                if record.state.is_final:
                    return record
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
            raise not_found

    async def _find_anywhere(self, operation: str) -> OperationRecord | None:
        for entry in await read_bucket(self._bus, OPERATIONS, subjects.operation_key("*", operation)):
            return OperationRecord.model_validate_json(entry.value or b"")
        return None

    async def _operation_begun_by(self, record: ScheduleRecord) -> str | None:
        """Of an open run whose indexer ended before it could store which operation it is."""
        run = history.open_run(record)
        assert run is not None
        assert run.started_at is not None
        for operation in await RecordReader(self._bus, OPERATIONS, OperationRecord).list(self._index):
            if operation.requested_by == _requested_by(record) and operation.created_at >= run.started_at:
                return operation.id
        return None

    async def _settle(self, before: ScheduleRecord, after: ScheduleRecord) -> ScheduleRecord:
        if after.paused is not None and before.paused is None:
            # Told before it is stored: rather twice than never.
            await self._tell_paused(after)
        await self._store.write(after)
        metrics.count_run(after, history.outcome_of_open_run(before, after))
        return after

    async def _tell_paused(self, record: ScheduleRecord) -> None:
        event = SchedulePaused(
            collection=record.collection,
            schedule=record.name,
            consecutive_failures=record.consecutive_failures,
            reason=record.paused or "",
            paused_at=self._now(),
        )
        logger.error("a schedule was paused", extra={"collection": record.collection, "reason": event.reason})
        await self._bus.publish(
            subjects.index_schedule(record.collection),
            event.model_dump_json().encode(),
            event_headers(event_type="sightwire.index.schedule", source="indexer", subject=record.collection),
        )


def _requested_by(record: ScheduleRecord) -> str:
    return f"schedule {record.name}"
