"""Where a collection's schedules are put, read and acted on, and what runs them."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Protocol

from sightwire.bus.connection import Bus
from sightwire.bus.headers import event_headers
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import Command, OperationRecord
from sightwire.contracts.schedules import Calendar, Outcome, SchedulePaused, ScheduleRecord, ScheduleSpec
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConflictError, NotFoundError, SightwireError, UnavailableError
from sightwire_indexer.schedules import history, metrics
from sightwire_indexer.schedules.commands import check_repeatable
from sightwire_indexer.schedules.decision import Skip, Start, Wait, decide, reason_against
from sightwire_indexer.schedules.store import ScheduleStore
from sightwire_indexer.schedules.timing import next_due, upcoming

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 2.0
#: The wall clock may be set, and the machine may sleep: never trust a wait for longer.
_LONGEST_WAIT_SECONDS: Final = 60.0

Action = Literal["run", "pause", "resume", "delete"]


class Operations(Protocol):
    """What a schedule needs of the desk that carries operations out."""

    @property
    def running(self) -> OperationRecord | None:
        """The operation that the collection is busy with."""

    async def start(self, command: Command, *, requested_by: str) -> OperationRecord:
        """Begins an operation; recorded when it returns."""

    async def wait(self, operation: str) -> OperationRecord:
        """The operation once it has ended, be it one of before a crash."""


class ScheduleDesk:
    """Schedules of one collection, for as long as this indexer owns it. Operations of before a crash must be known to
    `operations` before `run` begins.

    Args:
        collection: whose schedules.
        bus: connected.
        operations: carries out what is due.
        now: the wall clock, aware.
    """

    def __init__(
        self,
        collection: CollectionRecord,
        bus: Bus,
        operations: Operations,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._collection = collection
        self._bus = bus
        self._operations = operations
        self._now = now
        self._store = ScheduleStore(bus, collection)
        #: None until loaded, and after a write of which it is not known whether it was stored.
        self._records: dict[str, ScheduleRecord] | None = None
        self._followers: dict[str, asyncio.Task[OperationRecord]] = {}
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()

    async def put(self, name: str, spec: ScheduleSpec) -> ScheduleRecord:
        """Creates a schedule, or gives one another specification; its history, and whether it is paused, stay.

        Raises:
            InvalidInputError: cron expression, time zone or command is wrong; the message names the field.
            UnavailableError: the bus does not answer.
        """
        now = self._now()
        next_run_at = next_due(spec, now)
        check_repeatable(spec.command)
        async with self._lock:
            present = (await self._loaded()).get(name)
            if present is None:
                record = ScheduleRecord(
                    name=name,
                    collection=self._collection.name,
                    collection_uid=self._collection.uid,
                    spec=spec,
                    created_at=now,
                    next_run_at=next_run_at,
                )
            else:
                is_paused = present.paused is not None
                record = present.model_copy(update={"spec": spec, "next_run_at": None if is_paused else next_run_at})
            await self._write(record)
        self._changed.set()
        return record

    async def list(self) -> "list[ScheduleRecord]":
        """All schedules by name."""
        async with self._lock:
            records = await self._loaded()
        return [records[name] for name in sorted(records)]

    async def calendar(self, name: str, count: int) -> Calendar:
        """A schedule with its past runs and the next `count` due times, paused or not.

        Raises:
            NotFoundError: there is no such schedule.
        """
        async with self._lock:
            record = await self._get(name)
        return Calendar(schedule=record, upcoming=upcoming(record.spec, self._now(), count))

    async def act(self, name: str, action: Action, trigger: str) -> ScheduleRecord:
        """Runs a schedule now, pauses it, lets it go on, or deletes it. What runs goes on running.

        Args:
            name: of the schedule.
            action: what to do; `run` works for a paused schedule, too.
            trigger: who asks: `api`, `cli`, `event`.

        Returns:
            the schedule as it is afterwards; as it was, if it was deleted.

        Raises:
            NotFoundError: there is no such schedule.
            ConflictError: it cannot run now; that it was asked for is recorded.
        """
        async with self._lock:
            record = await self._get(name)
            if action == "run":
                record = await self._run_now(record, trigger)
            elif action == "delete":
                await self._delete(record)
            else:
                now = self._now()
                record = history.paused(record, trigger) if action == "pause" else history.resumed(record, now)
                await self._write(record)
        self._changed.set()
        return record

    async def run(self) -> None:
        """Runs what is due, until cancelled.

        Raises:
            ConflictError: another indexer writes these schedules, and so owns the collection.
        """
        try:
            while True:
                self._changed.clear()
                try:
                    look_again_at = await self._advance()
                except UnavailableError as error:
                    logger.warning(
                        "schedules have to wait", extra={"collection": self._collection.name, "error": error.detail}
                    )
                    look_again_at = self._now() + timedelta(seconds=_RETRY_SECONDS)
                await self._wait(look_again_at)
        finally:
            await end_tasks(*self._followers.values())
            for name in self._records or ():
                metrics.forget(self._collection.name, name)

    async def _wait(self, until: datetime | None) -> None:
        seconds = _LONGEST_WAIT_SECONDS
        if until is not None:
            seconds = min(seconds, max(0.0, (until - self._now()).total_seconds()))
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _advance(self) -> datetime | None:
        """Settles runs that ended, begins what is due, and says when to look again."""
        async with self._lock:
            for name in sorted(await self._loaded()):
                await self._follow(await self._get(name))
            look_again_at = None
            for name in sorted(await self._loaded()):
                record = await self._get(name)
                decision = decide(record, self._now(), self._running())
                if isinstance(decision, Start):
                    record = await self._begin(record, decision.due_at, "cron")
                elif isinstance(decision, Skip):
                    record = history.left_out(record, decision.due_at, self._now(), decision.reason, "cron")
                    await self._write(record)
                    metrics.count_run(record, Outcome.SKIPPED)
                until = decision.until if isinstance(decision, Wait) else record.next_run_at
                look_again_at = min((time for time in (until, look_again_at) if time is not None), default=None)
        return look_again_at

    async def _run_now(self, record: ScheduleRecord, trigger: str) -> ScheduleRecord:
        now = self._now()
        reason = reason_against(record, now, self._running())
        if reason is not None:
            await self._write(history.left_out(record, now, now, reason, trigger))
            metrics.count_run(record, Outcome.SKIPPED)
            raise ConflictError(f"schedule {record.name!r} cannot run now: {reason}")
        return await self._begin(record, now, trigger)

    async def _begin(self, record: ScheduleRecord, due_at: datetime, trigger: str) -> ScheduleRecord:
        record = history.begun(record, due_at, self._now(), trigger)
        # Stored before it begins: whatever happens now, it does not begin a second time.
        await self._write(record)
        try:
            operation = await self._operations.start(record.spec.command, requested_by=_requested_by(record))
        except ConflictError as error:
            record = history.not_begun(record, self._now(), error.detail)
            metrics.count_run(record, Outcome.SKIPPED)
        except SightwireError as error:
            return await self._settle(record, history.failed(record, self._now(), error.detail))
        else:
            record = history.identified(record, operation.id)
            self._changed.set()
        await self._write(record)
        return record

    async def _follow(self, record: ScheduleRecord) -> None:
        """Waits for the operation of the open run, and settles the run when it has ended."""
        run = history.open_run(record)
        if run is None:
            return
        operation = run.operation
        if operation is None:
            operation = await self._operation_begun_by(record)
            if operation is None:
                reason = "the indexer ended before the operation began"
                await self._settle(record, history.not_begun(record, self._now(), reason))
                return
            await self._write(history.identified(record, operation))
        follower = self._followers.get(operation)
        if follower is None:
            follower = asyncio.create_task(self._operations.wait(operation), name=f"schedule {record.name}")
            follower.add_done_callback(lambda _: self._changed.set())
            self._followers[operation] = follower
        if not follower.done():
            return
        try:
            changed = history.ended(record, follower.result())
        except NotFoundError:
            changed = history.failed(record, self._now(), f"the record of operation {operation} is gone")
        finally:
            del self._followers[operation]
        await self._settle(record, changed)

    async def _operation_begun_by(self, record: ScheduleRecord) -> str | None:
        """Of an open run whose indexer ended before it could store which operation it is."""
        run = history.open_run(record)
        assert run is not None
        assert run.started_at is not None
        for operation in await self._store.operations_asked_by(_requested_by(record)):
            if operation.created_at >= run.started_at:
                return operation.id
        return None

    async def _settle(self, before: ScheduleRecord, after: ScheduleRecord) -> ScheduleRecord:
        if after.paused is not None and before.paused is None:
            # Told before it is stored: rather twice than never.
            await self._tell_paused(after)
        await self._write(after)
        outcome = after.runs[-1].outcome
        metrics.count_run(after, outcome)
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

    def _running(self) -> str | None:
        operation = self._operations.running
        return operation.id if operation is not None else None

    async def _get(self, name: str) -> ScheduleRecord:
        records = await self._loaded()
        if name not in records:
            known = f" (there are: {', '.join(sorted(records))})" if records else ""
            raise NotFoundError(f"collection {self._collection.name!r} has no schedule {name!r}{known}")
        return records[name]

    async def _loaded(self) -> dict[str, ScheduleRecord]:
        if self._records is None:
            self._records = await self._store.load()
            for record in self._records.values():
                metrics.observe(record)
        return self._records

    async def _write(self, record: ScheduleRecord) -> None:
        records = await self._loaded()
        try:
            await self._store.write(record)
        except SightwireError:
            self._records = None
            raise
        records[record.name] = record
        metrics.observe(record)

    async def _delete(self, record: ScheduleRecord) -> None:
        records = await self._loaded()
        try:
            await self._store.delete(record.name)
        except SightwireError:
            self._records = None
            raise
        del records[record.name]
        metrics.forget(record.collection, record.name)


def _requested_by(record: ScheduleRecord) -> str:
    return f"schedule {record.name}"
