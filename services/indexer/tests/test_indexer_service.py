"""The whole indexer on a real bus: what it commits, announces, refuses and removes."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from services.indexer.tests.indexer_world import IndexerWorld, embedded_batch, embedded_item
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.dead_letters import list_dead_letters
from sightwire.bus.item_status import ItemStatusStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import ItemState, ItemStatus
from sightwire.contracts.streams import EMBEDDED
from sightwire.errors import ConfigurationError
from tests.plugin.waiting import wait_until

MakeRecord = Callable[..., CollectionRecord]


async def status_of(world: IndexerWorld, record: CollectionRecord, item_id: str, state: ItemState) -> ItemStatus:
    """The status of an item once it is `state`."""
    store = ItemStatusStore(world.bus)

    async def has_state() -> ItemStatus | None:
        status = await store.get(record.name, item_id)
        return status if status is not None and status.state is state else None

    return await wait_until(has_state, describe=f"{item_id} being {state.value}")


async def test_a_new_collection_gets_an_empty_manifest_and_its_event(world: IndexerWorld, make_record: MakeRecord):
    async with world.indexer() as context:
        record = await world.create(make_record())
        event = await wait_until(lambda: [event for event in world.searcher.ready if event.collection == record.name])
        assert (event[0].reason, event[0].manifest_version, event[0].items) == ("created", 1, 0)
        await wait_until(lambda: context.health.report().is_ready)
    content = await world.content(record)
    assert content is not None
    assert content.manifest.version == 1


async def test_items_are_searchable_with_their_documents(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        sequence = await world.publish(
            record,
            embedded_item("a", 1, text="a cat", tags=["pet"], metadata=b'{"price":2,"note":"x"}'),
            embedded_item("b", 2),
        )
        content = await world.indexed_up_to(record, sequence)
        status = await status_of(world, record, "a", ItemState.SEARCHABLE)
    assert content.documents["a"] == {
        "id": "a",
        "version": 1,
        "time": "2026-01-02T03:04:05.600000Z",
        "tags": ["pet"],
        "metadata": {"price": 2, "note": "x"},
        "text": "a cat",
    }
    assert content.versions == {"a": 1, "b": 2}
    assert (status.version, status.manifest_version) == (1, content.manifest.version)


async def test_the_highest_version_wins_whatever_the_order(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        await world.publish(record, embedded_item("a", 5), embedded_item("b", 6), embedded_item("c", 7, deleted=True))
        await world.publish(record, embedded_item("a", 3), embedded_item("b", 8, deleted=True), embedded_item("c", 2))
        sequence = await world.publish(record, embedded_item("a", 5), embedded_item("b", 7), embedded_item("d", 9))
        content = await world.indexed_up_to(record, sequence)
        assert content.versions == {"a": 5, "d": 9}
        assert (await status_of(world, record, "a", ItemState.SEARCHABLE)).version == 5
        assert (await status_of(world, record, "b", ItemState.DELETED)).version == 8
        assert (await status_of(world, record, "c", ItemState.DELETED)).version == 7


async def test_a_superseded_item_gets_its_true_status_back(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    store = ItemStatusStore(world.bus)
    async with world.indexer():
        await world.publish(record, embedded_item("a", 5))
        await status_of(world, record, "a", ItemState.SEARCHABLE)
        # What the embedder writes when an older event of the item comes late.
        await store.send(ItemStatus(collection=record.name, id="a", state=ItemState.EMBEDDED, version=4))
        await world.publish(record, embedded_item("a", 4))
        assert (await status_of(world, record, "a", ItemState.SEARCHABLE)).version == 5


async def test_searchable_is_said_only_when_every_live_searcher_has_loaded(
    world: IndexerWorld, make_record: MakeRecord
):
    record = await world.create(make_record())
    world.searcher.loading = False
    async with world.indexer():
        sequence = await world.publish(record, embedded_item("a", 1))
        await world.indexed_up_to(record, sequence)
        await wait_until(lambda: any(event.items == 1 for event in world.searcher.ready))
        assert await ItemStatusStore(world.bus).get(record.name, "a") is None
        await world.searcher.load()
        await status_of(world, record, "a", ItemState.SEARCHABLE)


async def test_a_restart_tells_items_that_were_committed_but_not_told(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    world.searcher.loading = False
    async with world.indexer():
        sequence = await world.publish(record, embedded_item("a", 1), embedded_item("b", 2, deleted=True))
        await world.indexed_up_to(record, sequence)
    await world.searcher.load()
    async with world.indexer():
        await status_of(world, record, "a", ItemState.SEARCHABLE)
        await status_of(world, record, "b", ItemState.DELETED)


async def test_bad_items_go_to_the_dead_letter_queue_and_their_neighbours_are_indexed(
    world: IndexerWorld, make_record: MakeRecord
):
    record = await world.create(make_record())
    async with world.indexer():
        await world.publish_bytes(record, b"\xff not protobuf")
        await world.publish(
            record,
            embedded_item("good", 1),
            embedded_item("nan", 2, vector=[float("nan")] * 8),
            embedded_item("short", 3, vector=[1.0] * 7),
            embedded_item("zero", 4, vector=[0.0] * 8),
            embedded_item("metadata", 5, metadata=b'{"price":"cheap"}'),
        )
        sequence = await world.publish(record, embedded_item("after", 6))
        content = await world.indexed_up_to(record, sequence)
        assert content.versions == {"good": 1, "after": 6}
        status = await status_of(world, record, "nan", ItemState.FAILED)
        assert "finite" in (status.reason or "")
    letters = await list_dead_letters(world.bus)
    assert len(letters) == 2
    assert "not an EmbeddedBatch" in letters[0].reason
    for wanted in ("'short'", "7", "'zero'", "price"):
        assert wanted in letters[1].reason or wanted in str(letters[1].payload)
    assert letters[1].service == "indexer"


async def test_messages_of_an_earlier_incarnation_are_skipped(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    earlier = record.model_copy(update={"uid": "earlier"})
    async with world.indexer():
        await world.publish(earlier, embedded_item("ghost", 1))
        sequence = await world.publish(record, embedded_item("a", 2))
        assert (await world.indexed_up_to(record, sequence)).versions == {"a": 2}


async def test_vectors_of_another_space_are_refused_with_a_reason(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    batch = embedded_batch(record, [embedded_item("a", 1)])
    batch.space = "other-2"
    async with world.indexer():
        sequence = await world.publish_bytes(record, batch.SerializeToString())
        assert (await world.indexed_up_to(record, sequence)).versions == {}
    (letter,) = await list_dead_letters(world.bus)
    assert "other-2" in letter.reason


async def test_draining_commits_what_was_read(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer(indexer_commit_seconds=3600.0):
        first = await world.publish(record, embedded_item("a", 1))
        await world.indexed_up_to(record, first)
        second = await world.publish(record, embedded_item("b", 2))
        await wait_until(lambda: buffered_items(record) == 1)
    content = await world.content(record)
    assert content is not None
    assert content.manifest.checkpoint.sequence == second


def buffered_items(record: CollectionRecord) -> float:
    return REGISTRY.get_sample_value("sightwire_indexer_buffered_items", {"collection": record.name}) or 0.0


async def test_small_segments_are_merged_in_the_background(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer(indexer_commit_seconds=0.001, indexer_segments_per_tier=2, indexer_graph_min_rows=4):
        for version in range(1, 9):
            sequence = await world.publish(record, embedded_item(f"item-{version % 6}", version))
            await world.indexed_up_to(record, sequence)

        async def is_merged() -> bool:
            content = await world.content(record)
            return content is not None and len(content.manifest.segments) <= 2

        await wait_until(is_merged, deadline=30)
    content = await world.content(record)
    assert content is not None
    assert content.versions == {"item-0": 6, "item-1": 7, "item-2": 8, "item-3": 3, "item-4": 4, "item-5": 5}
    assert any(event.reason == "merge" for event in world.searcher.ready)


async def test_a_deleted_collection_loses_its_blobs_and_a_new_one_of_its_name_starts_empty(
    world: IndexerWorld, make_record: MakeRecord
):
    record = await world.create(make_record())
    registry = CollectionRegistry(world.bus)
    async with world.indexer():
        sequence = await world.publish(record, embedded_item("a", 1))
        await world.indexed_up_to(record, sequence)
        await registry.delete(record.name)

        async def is_removed() -> bool:
            return not await world.blobs.keys(record.index_prefix)

        await wait_until(is_removed)
        again = await world.create(record.model_copy(update={"uid": "ba9876543210"}))
        sequence = await world.publish(again, embedded_item("b", 2))
        assert (await world.indexed_up_to(again, sequence)).versions == {"b": 2}


async def test_a_collection_that_was_deleted_while_no_indexer_ran_is_removed_at_start(
    world: IndexerWorld, make_record: MakeRecord
):
    deleted, replaced = await world.create(make_record()), await world.create(make_record())
    registry = CollectionRegistry(world.bus)
    async with world.indexer():
        for record in (deleted, replaced):
            await world.indexed_up_to(record, await world.publish(record, embedded_item("a", 1)))
    await registry.delete(deleted.name)
    await registry.delete(replaced.name)
    successor = await world.create(replaced.model_copy(update={"uid": "ba9876543210"}))
    async with world.indexer():

        async def only_the_successor_remains() -> bool:
            return await world.blobs.folders("indexes") == [successor.index_prefix]

        await wait_until(only_the_successor_remains)


async def test_a_stream_that_was_created_anew_stops_the_collection(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        await world.indexed_up_to(record, await world.publish(record, embedded_item("a", 1)))
    configuration = (await world.bus.jetstream.stream_info(EMBEDDED.name)).config
    await world.bus.jetstream.delete_stream(EMBEDDED.name)
    await world.bus.jetstream.add_stream(configuration)
    async with world.indexer() as context:
        (event,) = await wait_until(lambda: world.searcher.failed)
        assert "created at" in event.reason
        report = context.health.report()
        assert not report.is_ready
        assert record.name in (report.problems["collections"] or "")
        await world.publish(record, embedded_item("b", 2))
    content = await world.content(record)
    assert content is not None
    assert content.versions == {"a": 1}


async def test_a_stream_that_is_replaced_while_it_is_read_stops_the_collection(
    world: IndexerWorld, make_record: MakeRecord
):
    record = await world.create(make_record())
    async with world.indexer() as context:
        await world.indexed_up_to(record, await world.publish(record, embedded_item("a", 1)))
        configuration = (await world.bus.jetstream.stream_info(EMBEDDED.name)).config
        await world.bus.jetstream.delete_stream(EMBEDDED.name)
        await world.bus.jetstream.add_stream(configuration)
        await wait_until(lambda: world.searcher.failed, deadline=15)
        assert not context.health.report().is_ready


async def test_reading_goes_on_after_the_bus_was_restarted(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        await world.indexed_up_to(record, await world.publish(record, embedded_item("a", 1)))
        await world.server.stop()
        await world.server.start()
        sequence = await world.publish(record, embedded_item("b", 2))
        content = await world.indexed_up_to(record, sequence, deadline=30)
    assert content.versions == {"a": 1, "b": 2}


async def test_a_second_indexer_stands_by_and_takes_over(
    world: IndexerWorld, make_record: MakeRecord, tmp_path_factory: pytest.TempPathFactory
):
    record = await world.create(make_record())
    async with world.indexer(indexer_work_dir=tmp_path_factory.mktemp("second")) as second:
        await world.indexed_up_to(record, await world.publish(record, embedded_item("a", 1)))
        async with world.indexer() as first:
            await wait_until(lambda: first.health.report().is_ready)
            second.stopping.set()
            sequence = await world.publish(record, embedded_item("b", 2))
            assert (await world.indexed_up_to(record, sequence)).versions == {"a": 1, "b": 2}


async def test_the_checkpoint_of_an_idle_collection_follows_its_stream(world: IndexerWorld, make_record: MakeRecord):
    idle, busy = await world.create(make_record()), await world.create(make_record())
    async with world.indexer(indexer_idle_checkpoint_seconds=0.1):
        sequence = await world.publish(busy, embedded_item("a", 1))
        await world.indexed_up_to(busy, sequence)
        await world.indexed_up_to(idle, sequence, deadline=20)


async def test_two_indexers_cannot_share_a_working_folder(world: IndexerWorld):
    async with world.indexer():
        with pytest.raises(ConfigurationError, match="SIGHTWIRE_INDEXER_WORK_DIR"):
            async with asyncio.timeout(10), world.indexer():
                pass


async def test_a_blob_store_that_fails_is_told_and_got_over(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer() as context:
        await world.indexed_up_to(record, await world.publish(record, embedded_item("a", 1)))
        await wait_until(lambda: context.health.report().is_ready)
        folder = world.blobs.local_path(record.index_prefix)
        assert folder is not None
        aside = folder.with_name("aside")
        # Where the store's folder was there is a file now: every write fails.
        folder.rename(aside)
        folder.write_bytes(b"")
        sequence = await world.publish(record, embedded_item("b", 2))
        await wait_until(lambda: not context.health.report().is_ready)
        assert record.name in (context.health.report().problems["collections"] or "")
        folder.unlink()
        aside.rename(folder)
        assert (await world.indexed_up_to(record, sequence)).versions == {"a": 1, "b": 2}
        await wait_until(lambda: context.health.report().is_ready)
