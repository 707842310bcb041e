"""Schedules of a collection on a real server, from being put to being paused, and over a crash."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.js.errors import KeyNotFoundError
from prometheus_client import REGISTRY
from sightwire_indexer.schedules import history, runs
from sightwire_indexer.schedules.desk import ScheduleDesk

from services.indexer.tests.indexer_world import collection_record
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.operations import Command, OperationRecord, OperationState, Rebuild, Scan
from sightwire.contracts.schedules import Outcome, SchedulePaused, ScheduleRecord, ScheduleSpec
from sightwire.contracts.streams import OPERATIONS, SCHEDULES
from sightwire.ending_tasks import end_tasks
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError, SightwireError
from tests.plugin.waiting import wait_until

NewName = Callable[..., str]
EVERY_MINUTE = ScheduleSpec(cron="* * * * *", command=Scan())
YEARLY = ScheduleSpec(cron="0 0 1 1 *", command=Scan())


@dataclass
class RecordedOperations:
    """Operations that are records alone: a test says how they end."""

    bus: Bus
    collection: CollectionRecord
    started: list[OperationRecord] = field(default_factory=list)
    #: What `start` raises instead.
    refusal: SightwireError | None = None
    _ended: dict[str, asyncio.Event] = field(default_factory=dict)
    _states: dict[str, OperationRecord] = field(default_factory=dict)

    @property
    def running(self) -> OperationRecord | None:
        return next((record for record in self._states.values() if not record.state.is_final), None)

    async def start(self, command: Command, *, requested_by: str) -> OperationRecord:
        if self.refusal is not None:
            raise self.refusal
        record = await self.record(requested_by, command)
        self.started.append(record)
        return record

    async def record(self, requested_by: str, command: Command | None = None, **members: Any) -> OperationRecord:
        """Stores an operation that runs."""
        record = OperationRecord(
            id=uuid.uuid4().hex,
            collection=self.collection.name,
            collection_uid=self.collection.uid,
            command=command or Scan(),
            requested_by=requested_by,
            **members,
        )
        self._states[record.id] = record
        self._ended[record.id] = asyncio.Event()
        bucket = await self.bus.bucket(OPERATIONS)
        await bucket.put(subjects.operation_key(record.collection, record.id), record.model_dump_json().encode())
        return record

    async def wait(self, operation: str) -> OperationRecord:
        if operation not in self._ended:
            raise NotFoundError(f"there is no operation {operation!r}")
        await self._ended[operation].wait()
        return self._states[operation]

    def end(self, state: OperationState, error: str | None = None) -> None:
        """Ends the operation that runs."""
        assert self.running is not None
        record = self.running.model_copy(update={"state": state, "error": error, "finished_at": datetime.now(UTC)})
        self._states[record.id] = record
        self._ended[record.id].set()


@dataclass
class ScheduleWorld:
    bus: Bus
    collection: CollectionRecord
    operations: RecordedOperations
    #: How far the desk's clock is ahead.
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def desk(self) -> ScheduleDesk:
        return ScheduleDesk(self.collection, self.bus, self.operations, index=self.collection, now=self.now)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ScheduleDesk]:
        desk = self.desk()
        task = asyncio.create_task(desk.run())
        try:
            yield desk
            assert not task.done(), task.result()
        finally:
            await end_tasks(task)

    def turn_clock_to_just_before(self, time: datetime) -> None:
        """So that it comes in a moment."""
        self.ahead = time - datetime.now(UTC) - timedelta(milliseconds=200)

    async def stored(self, name: str) -> ScheduleRecord:
        bucket = await self.bus.bucket(SCHEDULES)
        entry = await bucket.get(subjects.schedule_key(self.collection.name, name))
        return ScheduleRecord.model_validate_json(entry.value or b"")

    async def store(self, record: ScheduleRecord) -> None:
        bucket = await self.bus.bucket(SCHEDULES)
        await bucket.put(subjects.schedule_key(record.collection, record.name), record.model_dump_json().encode())

    async def outcomes(self, name: str) -> list[Outcome]:
        return [run.outcome for run in (await self.stored(name)).runs]

    async def until_outcomes(self, name: str, *outcomes: Outcome) -> ScheduleRecord:
        async def has_them() -> bool:
            assert await self.outcomes(name) == list(outcomes)
            return True

        await wait_until(has_them)
        return await self.stored(name)


@pytest.fixture
def world(bus: Bus, unique_name: NewName) -> ScheduleWorld:
    collection = collection_record(unique_name("scheduled"))
    return ScheduleWorld(bus, collection, RecordedOperations(bus, collection))


async def test_a_schedule_runs_when_it_is_due(world: ScheduleWorld) -> None:
    async with world.running() as desk:
        record = await desk.put("minutely", ScheduleSpec(cron="* * * * *", command=Rebuild(activate=False)))
        assert record.next_run_at is not None
        world.turn_clock_to_just_before(record.next_run_at)
        await desk.put("other", YEARLY)  # wakes the desk, which has slept by the old clock
        await wait_until(lambda: world.operations.started)
        started = world.operations.started[0]
        assert (started.command, started.requested_by) == (Rebuild(activate=False), "schedule minutely")
        world.operations.end(OperationState.SUCCEEDED)
        record = await world.until_outcomes("minutely", Outcome.SUCCEEDED)
    run = record.runs[0]
    assert run.operation == started.id
    assert run.trigger == "cron"
    assert record.next_run_at == run.due_at + timedelta(minutes=1)
    assert (await world.stored("other")).runs == ()


async def test_what_was_missed_while_nobody_was_there_runs_once(world: ScheduleWorld) -> None:
    await world.desk().put("minutely", EVERY_MINUTE)
    world.ahead = timedelta(hours=5)
    async with world.running():
        await wait_until(lambda: world.operations.started)
        world.operations.end(OperationState.SUCCEEDED)
        record = await world.until_outcomes("minutely", Outcome.SUCCEEDED)
    assert record.next_run_at is not None
    assert record.next_run_at > datetime.now(UTC) + timedelta(hours=4)


async def test_nothing_begins_while_another_operation_runs(world: ScheduleWorld) -> None:
    other = await world.operations.record("api")
    await world.desk().put("minutely", EVERY_MINUTE)
    world.ahead = timedelta(minutes=2)
    async with world.running() as desk:
        record = await world.until_outcomes("minutely", Outcome.SKIPPED)
        assert record.runs[0].reason == f"operation {other.id} is running"
        with pytest.raises(ConflictError, match=f"operation {other.id} is running"):
            await desk.act("minutely", "run", "cli")
        assert (await world.stored("minutely")).runs[1].trigger == "cli"
    assert world.operations.started == []


async def test_a_schedule_that_fails_too_often_is_paused_and_says_so(world: ScheduleWorld) -> None:
    events = await world.bus.client.subscribe(subjects.index_schedule(world.collection.name))
    spec = YEARLY.model_copy(update={"max_failures": 2, "cooldown_seconds": 0.0})
    async with world.running() as desk:
        await desk.put("yearly", spec)
        for _ in range(2):
            await wait_until(lambda: world.operations.running is None)
            await desk.act("yearly", "run", "api")
            world.operations.end(OperationState.FAILED, "no space left")
            await wait_until(lambda: _all_runs_ended(desk))
        event = SchedulePaused.model_validate_json((await events.next_msg(timeout=5)).data)
        assert (event.schedule, event.consecutive_failures) == ("yearly", 2)
        assert event.reason == "failed 2 times in a row, at last: no space left"
        assert (await world.stored("yearly")).paused == event.reason
        assert _measured(world, "sightwire_indexer_schedule_paused", "yearly") == 1.0
        resumed = await desk.act("yearly", "resume", "api")
        assert (resumed.paused, resumed.consecutive_failures) == (None, 0)
        assert _measured(world, "sightwire_indexer_schedule_paused", "yearly") == 0.0
    assert _measured(world, "sightwire_indexer_schedule_paused", "yearly") is None


async def test_after_a_failure_nothing_runs_for_a_while_unless_it_is_resumed(world: ScheduleWorld) -> None:
    async with world.running() as desk:
        await desk.put("yearly", YEARLY)
        await desk.act("yearly", "run", "api")
        world.operations.end(OperationState.FAILED, "no space left")
        await wait_until(lambda: _all_runs_ended(desk))
        with pytest.raises(ConflictError, match="cooling down until"):
            await desk.act("yearly", "run", "api")
        await desk.act("yearly", "resume", "api")
        assert (await desk.act("yearly", "run", "event")).runs[-1].outcome is Outcome.RUNNING


async def test_an_operation_that_cannot_begin_is_a_failure_and_a_lost_race_is_not(world: ScheduleWorld) -> None:
    desk = world.desk()
    await desk.put("yearly", YEARLY)
    world.operations.refusal = ConflictError("operation o9 is running")
    record = await desk.act("yearly", "run", "api")
    assert (record.runs[-1].outcome, record.consecutive_failures) == (Outcome.SKIPPED, 0)
    world.operations.refusal = InvalidInputError("no such thing")
    record = await desk.act("yearly", "run", "api")
    assert (record.runs[-1].outcome, record.runs[-1].reason) == (Outcome.FAILED, "no such thing")
    assert record.consecutive_failures == 1


async def test_after_a_restart_a_run_follows_its_operation(world: ScheduleWorld) -> None:
    async with world.running() as desk:
        await desk.put("minutely", EVERY_MINUTE)
        await desk.act("minutely", "run", "api")
    async with world.running():
        world.operations.end(OperationState.SUCCEEDED)
        await world.until_outcomes("minutely", Outcome.SUCCEEDED)
    assert len(world.operations.started) == 1


async def test_a_crash_between_run_and_operation_does_not_run_twice(world: ScheduleWorld) -> None:
    desk = world.desk()
    await desk.put("yearly", YEARLY)
    old = await world.operations.record("schedule yearly")
    world.operations.end(OperationState.SUCCEEDED)
    begun = await desk.act("yearly", "run", "api")
    open_run = begun.runs[0].model_copy(update={"operation": None})
    await world.store(begun.model_copy(update={"runs": (open_run,)}))
    async with world.running():
        world.operations.end(OperationState.SUCCEEDED)
        record = await world.until_outcomes("yearly", Outcome.SUCCEEDED)
    assert record.runs[0].operation == world.operations.started[0].id != old.id
    assert len(world.operations.started) == 1


async def test_a_crash_before_the_operation_leaves_the_run_out(world: ScheduleWorld) -> None:
    record = await world.desk().put("yearly", YEARLY)
    run = {"due_at": world.now(), "started_at": world.now(), "outcome": Outcome.RUNNING}
    await world.store(ScheduleRecord.model_validate({**record.model_dump(), "runs": [run]}))
    async with world.running():
        record = await world.until_outcomes("yearly", Outcome.SKIPPED)
    assert record.runs[0].reason == "the indexer ended before the operation began"
    assert world.operations.started == []


async def test_an_operation_that_was_forgotten_is_a_failure(world: ScheduleWorld) -> None:
    record = await world.desk().put("yearly", YEARLY)
    run = {"due_at": world.now(), "started_at": world.now(), "outcome": Outcome.RUNNING, "operation": "gone"}
    await world.store(ScheduleRecord.model_validate({**record.model_dump(), "runs": [run]}))
    async with world.running():
        record = await world.until_outcomes("yearly", Outcome.FAILED)
    assert record.runs[0].reason == "the record of operation gone is gone"


async def test_the_calendar_shows_past_and_next_runs(world: ScheduleWorld) -> None:
    desk = world.desk()
    spec = ScheduleSpec(cron="0 9 * * *", time_zone="Europe/Berlin", command=Scan())
    await desk.put("daily", spec)
    await desk.act("daily", "pause", "cli")
    calendar = await desk.calendar("daily", 3)
    assert calendar.schedule.paused == "paused by cli"
    assert calendar.schedule.next_run_at is None
    assert [time.hour for time in calendar.upcoming] == [9, 9, 9]
    assert [record.name for record in await desk.list()] == ["daily"]


async def test_putting_again_keeps_history_and_pause(world: ScheduleWorld) -> None:
    desk = world.desk()
    first = await desk.put("yearly", YEARLY)
    await desk.act("yearly", "run", "api")
    await desk.act("yearly", "pause", "api")
    again = await desk.put("yearly", EVERY_MINUTE)
    assert (again.spec, again.created_at, len(again.runs)) == (EVERY_MINUTE, first.created_at, 1)
    assert (again.paused, again.next_run_at) == ("paused by api", None)


async def test_what_is_wrong_is_refused_and_not_stored(world: ScheduleWorld) -> None:
    desk = world.desk()
    with pytest.raises(InvalidInputError, match=r"^cron: "):
        await desk.put("bad", ScheduleSpec(cron="* * * *", command=Scan()))
    with pytest.raises(InvalidInputError, match=r"^time_zone: "):
        await desk.put("bad", ScheduleSpec(cron="* * * * *", time_zone="Mars/Olympus", command=Scan()))
    assert await desk.list() == []


async def test_a_deleted_schedule_is_gone_though_its_operation_goes_on(world: ScheduleWorld) -> None:
    async with world.running() as desk:
        await desk.put("yearly", YEARLY)
        await desk.act("yearly", "run", "api")
        assert (await desk.act("yearly", "delete", "api")).name == "yearly"
        with pytest.raises(NotFoundError, match="has no schedule 'yearly'"):
            await desk.calendar("yearly", 1)
        world.operations.end(OperationState.SUCCEEDED)
        assert (await desk.put("yearly", YEARLY)).runs == ()


async def test_a_run_that_another_index_began_is_followed_to_its_end(
    world: ScheduleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a promotion: the operation is one of the index that answered before."""
    monkeypatch.setattr(runs, "_ASK_AGAIN_SECONDS", 0.05)
    before = RecordedOperations(world.bus, collection_record(f"{world.collection.name}--1", uid="111111111111"))
    operation = await before.record("schedule yearly")
    record = await world.desk().put("yearly", YEARLY)
    begun = history.begun(record, world.now(), world.now(), "cron")
    await world.store(history.identified(begun, operation.id))
    async with world.running() as desk:
        await desk.calendar("yearly", 1)
        assert await world.outcomes("yearly") == [Outcome.RUNNING]
        before.end(OperationState.SUCCEEDED)
        key = subjects.operation_key(operation.collection, operation.id)
        ended = await before.wait(operation.id)
        await (await world.bus.bucket(OPERATIONS)).put(key, ended.model_dump_json().encode())
        await world.until_outcomes("yearly", Outcome.SUCCEEDED)


async def test_schedules_of_a_deleted_collection_of_the_name_are_dropped(world: ScheduleWorld) -> None:
    await world.desk().put("yearly", YEARLY)
    world.collection = collection_record(world.collection.name, uid="ba9876543210")
    desk = world.desk()
    assert await desk.list() == []
    assert (await desk.put("yearly", YEARLY)).collection_uid == "ba9876543210"


async def test_deleting_a_collection_deletes_its_schedules(world: ScheduleWorld) -> None:
    registry = CollectionRegistry(world.bus)
    await registry.create(world.collection)
    await world.desk().put("yearly", YEARLY)
    await registry.delete(world.collection.name)
    with pytest.raises(KeyNotFoundError):
        await world.stored("yearly")


async def test_an_indexer_that_lost_the_collection_writes_no_schedules(world: ScheduleWorld) -> None:
    former, present = world.desk(), world.desk()
    await former.put("yearly", YEARLY)
    await present.act("yearly", "pause", "api")
    with pytest.raises(ConflictError, match="written by another indexer"):
        await former.act("yearly", "run", "api")
    assert world.operations.started == []


async def test_a_schedule_that_cannot_be_read_does_not_stop_the_others(world: ScheduleWorld) -> None:
    bucket = await world.bus.bucket(SCHEDULES)
    await bucket.put(subjects.schedule_key(world.collection.name, "newer"), b'{"version": 7}')
    desk = world.desk()
    await desk.put("yearly", YEARLY)
    assert [record.name for record in await desk.list()] == ["yearly"]


async def _all_runs_ended(desk: ScheduleDesk) -> bool:
    return all(run.outcome is not Outcome.RUNNING for record in await desk.list() for run in record.runs)


def _measured(world: ScheduleWorld, metric: str, schedule: str) -> float | None:
    return REGISTRY.get_sample_value(metric, {"collection": world.collection.name, "schedule": schedule})
