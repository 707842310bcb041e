"""Where a collection's schedules are put, read and acted on, and what runs them.

Schedules are stored under the users' name of a collection; the indexer carries them out whose index answers for it.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from sightwire.bus.connection import Bus
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.schedules import Calendar, ScheduleRecord, ScheduleSpec
from sightwire.errors import ConflictError, InvalidInputError, UnavailableError
from sightwire_indexer.schedules import history
from sightwire_indexer.schedules.commands import check_repeatable
from sightwire_indexer.schedules.decision import Skip, Start, Wait, decide, reason_against
from sightwire_indexer.schedules.runs import Operations, Runs
from sightwire_indexer.schedules.store import ScheduleStore
from sightwire_indexer.schedules.timing import next_due, upcoming

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 2.0
#: The wall clock may be set, and the machine may sleep: no wait is trusted for longer.
_LONGEST_WAIT_SECONDS: Final = 60.0

Action = Literal["run", "pause", "resume", "delete"]


class ScheduleDesk:
    """Schedules of one collection, for as long as this indexer owns the index that answers for it.

    Args:
        collection: whose schedules.
        bus: connected.
        operations: carries out what is due; what ran before a crash must have been taken up before `run` begins.
        index: the collection, or the shadow, whose operations those are.
        now: the wall clock, aware.
    """

    def __init__(
        self,
        collection: CollectionRecord,
        bus: Bus,
        operations: Operations,
        *,
        index: CollectionRecord,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._collection = collection
        self._now = now
        self._changed = asyncio.Event()
        self._store = ScheduleStore(bus, collection)
        self._runs = Runs(index, self._store, bus, operations, now, self._changed.set)
        #: Held from reading a schedule to writing it.
        self._lock = asyncio.Lock()

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
            present = (await self._store.all()).get(name)
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
                changes = {"spec": spec, "next_run_at": None if present.paused is not None else next_run_at}
                record = present.model_copy(update=changes)
            await self._store.write(record)
        self._changed.set()
        return record

    async def list(self) -> "list[ScheduleRecord]":
        """All schedules by name."""
        async with self._lock:
            records = await self._store.all()
            return [records[name] for name in sorted(records)]

    async def calendar(self, name: str, count: int) -> Calendar:
        """A schedule with its past runs, and the next `count` due times, as if it were not paused.

        Raises:
            NotFoundError: there is no such schedule.
        """
        async with self._lock:
            record = await self._store.get(name)
        times = await asyncio.to_thread(upcoming, record.spec, self._now(), count)
        return Calendar(schedule=record, upcoming=times)

    async def act(self, name: str, action: Action, trigger: str) -> ScheduleRecord:
        """Runs a schedule now, pauses it, lets it go on, or deletes it. An operation that runs is left alone.

        Args:
            name: of the schedule.
            action: what to do; `run` works for a paused schedule, too.
            trigger: who asks: `api`, `cli`, `event`.

        Returns:
            the schedule as it is afterwards; as it was, if it was deleted.

        Raises:
            NotFoundError: there is no such schedule.
            ConflictError: it cannot run now; that it was asked to is recorded.
        """
        async with self._lock:
            record = await self._store.get(name)
            if action == "run":
                record = await self._run_now(record, trigger)
            elif action == "delete":
                await self._store.delete(name)
            else:
                record = (
                    history.paused(record, f"paused by {trigger}")
                    if action == "pause"
                    else history.resumed(record, self._now())
                )
                await self._store.write(record)
        self._changed.set()
        return record

    async def run(self) -> None:
        """Runs what is due, until cancelled.

        Raises:
            ConflictError: another indexer writes these schedules: it owns the index, or that which answers now.
        """
        try:
            while True:
                self._changed.clear()
                try:
                    async with self._lock:
                        look_again_at = await self._advance()
                except UnavailableError as error:
                    logger.warning(
                        "schedules have to wait", extra={"collection": self._collection.name, "error": error.detail}
                    )
                    look_again_at = self._now() + timedelta(seconds=_RETRY_SECONDS)
                await self._wait(look_again_at)
        finally:
            await self._runs.close()
            self._store.close()

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
        for record in list((await self._store.all()).values()):
            await self._runs.follow(record)
        times = [await self._do_what_is_due(name) for name in sorted(await self._store.all())]
        return min((time for time in times if time is not None), default=None)

    async def _do_what_is_due(self, name: str) -> datetime | None:
        record = await self._store.get(name)
        decision = decide(record, self._now(), self._runs.running)
        if isinstance(decision, Wait):
            return decision.until
        try:
            if isinstance(decision, Skip):
                record = await self._runs.leave_out(record, decision.due_at, decision.reason, "cron")
            else:
                record = await self._runs.begin(record, decision.due_at, "cron")
        except InvalidInputError as error:
            # The time zone was removed from the database, or the clock is at the end of time.
            record = history.paused(record, error.detail)
            await self._store.write(record)
        if isinstance(decision, Start):
            await self._runs.follow(record)
        return record.next_run_at

    async def _run_now(self, record: ScheduleRecord, trigger: str) -> ScheduleRecord:
        reason = reason_against(record, self._now(), self._runs.running)
        if reason is not None:
            await self._runs.leave_out(record, self._now(), reason, trigger)
            raise ConflictError(f"schedule {record.name!r} cannot run now: {reason}")
        return await self._runs.begin(record, self._now(), trigger)
