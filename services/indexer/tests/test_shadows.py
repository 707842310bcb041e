"""A collection moves to another index, a shadow of it: statuses, requests, schedules, deletions, what is removed."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sightwire_indexer import stream_watch
from sightwire_indexer.operations.store import OperationStore

from services.indexer.tests.indexer_world import IndexerWorld, embedded_item
from services.indexer.tests.operating import ask, ended, start, succeeded
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.control import ControlClient
from sightwire.bus.item_status import ItemStatusStore
from sightwire.bus.migrations import Migrations
from sightwire.contracts.backups import BackupSummary
from sightwire.contracts.collections import Canary, CollectionRecord
from sightwire.contracts.control import (
    ActOnSchedule,
    CompareItems,
    Diagnose,
    Diagnosis,
    GenerationList,
    ListBackups,
    ListGenerations,
    PrepareRestore,
    PutSchedule,
    ReadCalendar,
)
from sightwire.contracts.events import ItemState, ItemStatus
from sightwire.contracts.migrations import Coverage, Migration, MigrationState
from sightwire.contracts.models import ModelId
from sightwire.contracts.operations import (
    Backup,
    OperationRecord,
    OperationState,
    Rebuild,
    Restore,
    Rollback,
    Switch,
)
from sightwire.contracts.schedules import Calendar, Outcome, ScheduleSpec
from sightwire.errors import ConflictError, InvalidInputError, UnavailableError
from tests.plugin.waiting import wait_until

MakeRecord = Callable[..., CollectionRecord]
YEARLY = ScheduleSpec(cron="0 0 1 1 *", command=Backup())


class Moving:
    """A collection of users, and a shadow of it."""

    def __init__(self, world: IndexerWorld, own: CollectionRecord) -> None:
        self.world = world
        self.own = own
        spec = own.spec.model_copy(update={"name": f"{own.name}--1"})
        self.shadow = own.model_copy(update={"spec": spec, "uid": "111111111111", "shadow_of": own.name})

    async def begin(self) -> None:
        """Creates both."""
        await self.world.create(self.own)
        await self.world.create(self.shadow)
        await self.change(shadows=(self.shadow.name,))

    async def change(self, **members: Any) -> None:
        registry = CollectionRegistry(self.world.bus)
        await registry.change(self.own.name, lambda record: record.model_copy(update=members))

    async def promote(self) -> None:
        await self.change(answering=self.shadow.name)

    async def note_migration(self, *, run: str) -> Migration:
        """Stores that the collection is moving to the shadow."""
        return await Migrations(self.world.bus).create(
            Migration(
                collection=self.own.name,
                collection_uid=self.own.uid,
                shadow=self.shadow.name,
                source=self.own.name,
                model=ModelId(name="new", version="2"),
                space=self.shadow.space,
                run=run,
                started_at=datetime.now(UTC),
            )
        )

    async def put(self, record: CollectionRecord, *items: Any) -> None:
        """Has items indexed."""
        await self.world.indexed_up_to(record, await self.world.publish(record, *items))

    async def status(self, item_id: str) -> ItemStatus | None:
        return await ItemStatusStore(self.world.bus).get(self.own.name, item_id)

    async def told(self, item_id: str, version: int) -> None:
        """Returns once an item is searchable in a version."""

        async def is_told() -> bool:
            status = await self.status(item_id)
            return status is not None and (status.state, status.version) == (ItemState.SEARCHABLE, version)

        await wait_until(is_told, describe=f"{item_id} being searchable in version {version}")

    async def compare(self, record: CollectionRecord) -> Coverage:
        return Coverage.model_validate(await ask(self.world, record, CompareItems()))


@pytest.fixture
def moving(world: IndexerWorld, make_record: MakeRecord) -> Moving:
    return Moving(world, make_record())


async def test_items_are_told_by_the_index_that_answers_alone(moving: Moving) -> None:
    await moving.begin()
    async with moving.world.indexer():
        await moving.put(moving.shadow, embedded_item("a", 1), embedded_item("b", 2))
        await moving.put(moving.own, embedded_item("a", 1))
        await moving.told("a", 1)
        assert await moving.status("b") is None
        await moving.promote()
        # Only the shadow has it, and had it before: whoever waits for it is told now.
        await moving.told("b", 2)
        await moving.put(moving.own, embedded_item("c", 3))
        await moving.put(moving.shadow, embedded_item("d", 4))
        await moving.told("d", 4)
        assert await moving.status("c") is None
        # Accepted before the promotion, and late in the index that answers now.
        await moving.put(moving.shadow, embedded_item("c", 3))
        await moving.told("c", 3)
        await moving.change(answering=None)
        await moving.put(moving.own, embedded_item("d", 5))
        await moving.told("d", 5)
    assert await ItemStatusStore(moving.world.bus).get(moving.shadow.name, "a") is None


async def test_what_was_not_told_before_a_restart_is_told_after_a_promotion(moving: Moving) -> None:
    await moving.begin()
    async with moving.world.indexer():
        await moving.put(moving.shadow, embedded_item("a", 1))
    async with moving.world.indexer():
        await ask(moving.world, moving.shadow, ListGenerations())
        assert await moving.status("a") is None
        await moving.promote()
        await moving.told("a", 1)


async def test_a_rejected_item_is_told_by_the_index_that_answers_alone(moving: Moving) -> None:
    await moving.begin()
    async with moving.world.indexer():
        await moving.put(moving.shadow, embedded_item("a", 1, vector=[1.0]))
        assert await moving.status("a") is None
        await moving.put(moving.own, embedded_item("b", 2, vector=[1.0]))
        status = await wait_until(lambda: moving.status("b"))
        assert (status.state, status.collection) == (ItemState.FAILED, moving.own.name)


async def test_a_promotion_opens_no_index_anew(moving: Moving) -> None:
    await moving.begin()
    async with moving.world.indexer():
        for record in (moving.own, moving.shadow):
            await moving.put(record, embedded_item("a", 1))

        def announced(record: CollectionRecord) -> list[int]:
            return [event.items for event in moving.world.searcher.ready if event.collection == record.name]

        await wait_until(lambda: (announced(moving.own)[-1:], announced(moving.shadow)[-1:]) == ([1], [1]))
        events = len(moving.world.searcher.ready)
        await moving.promote()
        await moving.change(canary=Canary(shadow=moving.shadow.name, share=0.5))
        await moving.put(moving.shadow, embedded_item("b", 2))
        await moving.told("b", 2)
        # Each opening announces what is there; all that was announced is the one commit.
        assert [event.items for event in moving.world.searcher.ready[events:]] == [2]


async def test_an_index_that_was_given_up_goes_and_its_pictures_stay(moving: Moving) -> None:
    world, registry = moving.world, CollectionRegistry(moving.world.bus)
    await moving.begin()
    await world.blobs.put("pictures/ab/abcd", b"picture")
    async with world.indexer():
        for record in (moving.own, moving.shadow):
            await moving.put(record, embedded_item("a", 1))
        await moving.promote()
        await moving.change(has_index=False)

        async def is_gone() -> bool:
            return await world.blobs.folders("indexes") == [moving.shadow.index_prefix]

        await wait_until(is_gone, describe="the removal of the index")
        await moving.put(moving.shadow, embedded_item("b", 2))
        await moving.told("b", 2)
        await moving.change(canary=None)
    async with world.indexer() as context:
        await wait_until(lambda: context.health.report().is_ready)
        await moving.put(moving.shadow, embedded_item("c", 3))
        assert await is_gone()
        assert await world.blobs.get("pictures/ab/abcd") == b"picture"
        await registry.delete(moving.own.name)

        async def is_empty() -> bool:
            return await world.blobs.folders("indexes") == []

        await wait_until(is_empty, describe="the removal of the shadow")


async def test_an_operation_on_an_index_that_was_given_up_ends(moving: Moving) -> None:
    await moving.begin()
    store = OperationStore(moving.world.bus)
    left = OperationRecord(
        id="left",
        collection=moving.own.name,
        collection_uid=moving.own.uid,
        command=Rebuild(),
        requested_by="test",
    )
    async with moving.world.indexer():
        await ask(moving.world, moving.shadow, ListGenerations())
        await store.write(left, after=0)
        await moving.promote()
        await moving.change(has_index=False)

        async def has_ended() -> OperationRecord | None:
            found = await store.get(moving.own.name, "left")
            return found if found.state.is_final else None

        assert (await wait_until(has_ended)).state is OperationState.FAILED


async def test_requests_under_the_users_name_reach_the_index_that_answers(moving: Moving) -> None:
    world = moving.world
    await moving.begin()

    async def answering_index() -> str:
        with suppress(UnavailableError):
            answer = await ControlClient(world.bus).ask_owner(moving.own.name, ListGenerations())
            return GenerationList.model_validate(answer).collection
        return ""

    async with world.indexer():
        await ask(world, moving.shadow, ListGenerations())
        assert await answering_index() == moving.own.name
        await moving.promote()

        async def shadow_answers() -> bool:
            return await answering_index() == moving.shadow.name

        await wait_until(shadow_answers)
        diagnosis = Diagnosis.model_validate(await ask(world, moving.own, Diagnose()))
        assert diagnosis.collection == moving.own.name
        await moving.change(answering=None)

        async def own_index_answers() -> bool:
            return await answering_index() == moving.own.name

        await wait_until(own_index_answers)


async def test_schedules_and_backups_follow_the_index_that_answers(moving: Moving) -> None:
    world = moving.world
    await moving.begin()

    async def run_backup(index: CollectionRecord, runs: int) -> None:
        """Runs the schedule; the operation is one of `index`."""

        async def is_begun() -> bool:
            record = Calendar.model_validate(await ask(world, moving.own, ReadCalendar(name="b", upcoming=0))).schedule
            if len(record.runs) < runs:
                await ask(world, moving.own, ActOnSchedule(name="b", action="run"))
            return [run.outcome for run in record.runs] == runs * [Outcome.SUCCEEDED]

        await wait_until(is_begun, 60)
        calendar = Calendar.model_validate(await ask(world, moving.own, ReadCalendar(name="b", upcoming=0)))
        operation = calendar.schedule.runs[-1].operation
        assert operation is not None
        assert (await OperationStore(world.bus).get(index.name, operation)).state is OperationState.SUCCEEDED

    async with world.indexer():
        for record in (moving.own, moving.shadow):
            await moving.put(record, embedded_item("a", 1))
        with pytest.raises(InvalidInputError, match="is a shadow and has no schedules"):
            await ask(world, moving.shadow, PutSchedule(name="b", spec=YEARLY))
        await ask(world, moving.own, PutSchedule(name="b", spec=YEARLY))
        await run_backup(moving.own, 1)
        await moving.promote()
        await moving.change(has_index=False)
        await run_backup(moving.shadow, 2)

        labels = {"collection": moving.own.name}
        assert REGISTRY.get_sample_value("sightwire_indexer_last_backup_timestamp_seconds", labels)

        control = ControlClient(world.bus)
        listed = await control.ask_any(ListBackups(collection=moving.own.name))
        backups = [BackupSummary.model_validate(summary) for summary in listed]
        assert len(backups) == 2
        assert {summary.collection.name for summary in backups} == {moving.own.name}
        await moving.put(moving.shadow, embedded_item("a", 2, deleted=True))
        prepared = await control.ask_any(PrepareRestore(backup=backups[0].id))
        assert CollectionRecord.model_validate(prepared).name == moving.own.name
        await succeeded(world, await start(world, moving.own, Restore(backup=backups[0].id)))
        content = await world.content(moving.shadow)
        assert content is not None
        assert content.versions == {"a": 1}
        copied = CollectionRecord.model_validate(
            await control.ask_any(PrepareRestore(backup=backups[0].id, into="another"))
        )
        assert (copied.name, copied.shadow_of, copied.answering, copied.has_index) == ("another", None, None, True)


async def test_no_other_generation_answers_while_the_collection_moves(moving: Moving) -> None:
    world = moving.world
    await moving.begin()
    async with world.indexer():
        await moving.put(moving.own, embedded_item("a", 1))
        await succeeded(world, await start(world, moving.own, Rebuild()))
    migration = await moving.note_migration(run="r1")
    # Somebody asked for it before the migration began.
    asked = OperationRecord(
        id="1" * 32,
        collection=moving.own.name,
        collection_uid=moving.own.uid,
        command=Rollback(),
        requested_by="test",
    )
    await OperationStore(world.bus).write(asked, after=0)
    async with world.indexer():
        refused = await ended(world, asked)
        assert refused.state is OperationState.FAILED
        assert "run r1" in (refused.error or "")
        for record in (moving.own, moving.shadow):
            for command in (Rollback(), Switch(generation="g1"), Restore(backup="b1")):
                with pytest.raises(ConflictError, match=r"moves to model new:2.*`sightwire pipelines cancel r1`"):
                    await start(world, record, command)
        # It has the same items.
        await succeeded(world, await start(world, moving.own, Rebuild()))
        await Migrations(world.bus).change(
            migration, lambda present: present.model_copy(update={"state": MigrationState.ABANDONED})
        )
        await succeeded(world, await start(world, moving.own, Rollback()))


@pytest.mark.parametrize("is_alone", [False, True])
async def test_a_late_older_version_stays_deleted_while_there_is_another_copy(
    moving: Moving, monkeypatch: pytest.MonkeyPatch, is_alone: bool
) -> None:
    """Without another copy, the same merges forget the deletion: nothing that is older can come any more."""
    world = moving.world
    monkeypatch.setattr(stream_watch, "_INTERVAL_SECONDS", 0.05)
    await moving.begin()
    # Everything up to version 100 counts as long past.
    await world.bus.jetstream.purge_stream("INGEST", seq=101)
    async with world.indexer(indexer_tombstone_grace_seconds=0.5, indexer_segments_per_tier=2):
        if is_alone:
            await CollectionRegistry(world.bus).delete(moving.shadow.name)
        await moving.put(moving.own, embedded_item("a", 5))
        await moving.put(moving.own, embedded_item("a", 6, deleted=True))

        async def is_merged_often() -> bool:
            """Whether the deletion was in several merges, or in one that forgot it."""
            number = len(world.searcher.ready)
            await moving.put(moving.own, embedded_item(f"item-{number}", 10 + number))
            merges = [event for event in world.searcher.ready if event.reason == "merge"]
            return await tombstones() == 0 or (len(merges) >= 12 and not is_alone)

        async def tombstones() -> int:
            content = await world.content(moving.own)
            assert content is not None
            return sum(entry.tombstones for entry in content.manifest.segments)

        await wait_until(is_merged_often, 60)
        assert await tombstones() == (0 if is_alone else 1)
        if not is_alone:
            await moving.put(moving.own, embedded_item("a", 5))
            content = await world.content(moving.own)
            assert content is not None
            assert "a" not in content.versions


async def test_a_shadow_is_compared_with_the_index_that_answers(moving: Moving) -> None:
    await moving.begin()
    async with moving.world.indexer():
        await moving.put(moving.own, embedded_item("a", 1), embedded_item("b", 2), embedded_item("c", 3))
        await moving.put(moving.own, embedded_item("e", 4))
        await moving.put(moving.own, embedded_item("e", 5, deleted=True))
        await moving.put(moving.shadow, embedded_item("a", 1), embedded_item("b", 1), embedded_item("d", 9))
        coverage = await moving.compare(moving.shadow)
        assert (coverage.collection, coverage.shadow) == (moving.own.name, moving.shadow.name)
        assert (coverage.items, coverage.shadow_items, coverage.missing, coverage.surplus) == (3, 3, 2, 1)
        assert (set(coverage.missing_items), coverage.surplus_items) == ({("b", 2, 1), ("c", 3, 0)}, (("d", 0, 9),))
        assert not coverage.is_complete
        await moving.put(
            moving.shadow, embedded_item("b", 2), embedded_item("c", 3), embedded_item("d", 10, deleted=True)
        )
        assert (await moving.compare(moving.shadow)).is_complete
        assert (await moving.compare(moving.own)).is_complete

        await moving.promote()
        await moving.put(moving.shadow, embedded_item("f", 11))
        # The copy that answered before is asked for by its name, which is the users', and found to be behind.
        coverage = await moving.compare(moving.own)
        assert (coverage.shadow, coverage.missing_items, coverage.surplus) == (moving.own.name, (("f", 11, 0),), 0)
        await moving.change(has_index=False)

        async def is_refused() -> bool:
            try:
                await ask(moving.world, moving.own, CompareItems())
            except InvalidInputError as error:
                return "no index of its own" in error.detail
            return False

        await wait_until(is_refused)
