"""Backups of an indexer that runs: asked for on the bus, through the gates, into other collections and platforms."""

from collections.abc import Callable

import pytest
from nats.js.api import ConsumerConfig
from prometheus_client import REGISTRY
from sightwire_indexer import metrics

from services.indexer.tests.indexer_world import IndexerWorld
from services.indexer.tests.operating import ask, ended, publish_items, start, succeeded
from sightwire.bus.control import ControlClient
from sightwire.bus.topology import ensure_topology
from sightwire.contracts.backups import BackupRetention, BackupSummary, BackupVerification
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import (
    GenerationList,
    ListBackups,
    ListGenerations,
    PrepareRestore,
    PruneBackups,
    ReadReport,
    VerifyBackup,
)
from sightwire.contracts.operations import Backup, OperationState, Restore
from sightwire.contracts.streams import EMBEDDED, EMBEDDER_CONSUMER, INGEST
from sightwire.contracts.validation import ValidationReport
from sightwire.errors import InvalidInputError
from tests.plugin.waiting import wait_until

MakeRecord = Callable[..., CollectionRecord]


async def items(world: IndexerWorld, record: CollectionRecord) -> dict[str, int]:
    content = await world.content(record)
    return content.versions if content is not None else {}


async def test_a_backup_is_made_verified_restored_and_pruned(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    control = ControlClient(world.bus)
    async with world.indexer():
        await publish_items(world, record, range(50))
        await wait_until(lambda: has_items(world, record, 50))
        made = await succeeded(world, await start(world, record, Backup()))
        backup = made.result["backup"]
        (summary,) = [BackupSummary.model_validate(each) for each in await control.ask_any(ListBackups())]
        assert (summary.id, summary.items, summary.stored_bytes) == (backup, 50, made.result["stored_bytes"])
        verification = BackupVerification.model_validate(await control.ask_any(VerifyBackup(backup=backup)))
        assert verification.passed
        assert verification.bytes == made.result["bytes"] == summary.bytes

        before = await items(world, record)
        await publish_items(world, record, range(40, 60), first_version=100)
        await wait_until(lambda: has_items(world, record, 60))
        restored = await succeeded(world, await start(world, record, Restore(backup=backup)))
        assert await items(world, record) == before
        generations = GenerationList.model_validate(await ask(world, record, ListGenerations()))
        assert (generations.live, restored.result["backup"]) == (restored.result["generation"], backup)
        report = await ask(world, record, ReadReport(generation=generations.live))
        assert ValidationReport.model_validate(report).passed
        # What is ingested now is newer than what was restored, and what was left can be gone back to.
        await publish_items(world, record, range(45, 55), first_version=200)
        await wait_until(lambda: has_items(world, record, 55))

        second = await succeeded(world, await start(world, record, Backup()))
        assert second.result["added_bytes"] > 0
        gone = await control.ask_any(PruneBackups(retention=BackupRetention(keep=1)))
        assert [each["id"] for each in gone] == [backup]


async def has_items(world: IndexerWorld, record: CollectionRecord, count: int) -> bool:
    return len(await items(world, record)) == count


async def test_a_backup_becomes_a_new_collection(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    control = ControlClient(world.bus)
    async with world.indexer():
        await publish_items(world, record, range(30))
        await wait_until(lambda: has_items(world, record, 30))
        backup = (await succeeded(world, await start(world, record, Backup()))).result["backup"]
        request = PrepareRestore(backup=backup, into=f"{record.name}-copy")
        copy = CollectionRecord.model_validate(await control.ask_any(request))
        assert CollectionRecord.model_validate(await control.ask_any(request)) == copy
        await succeeded(world, await start(world, copy, Restore(backup=backup)))
        assert await items(world, copy) == await items(world, record)
        other = await world.create(make_record(fields={"vector": {"source": "user", "dimension": 3}}))
        with pytest.raises(InvalidInputError, match="dimension of field 'vector' was 8, is 3"):
            await control.ask_any(PrepareRestore(backup=backup, into=other.name))


async def test_a_new_platform_goes_on_where_the_old_one_ended(world: IndexerWorld, make_record: MakeRecord):
    """Its streams are new, so that their sequences begin at 1 again, far below the versions of the restored items."""
    record = await world.create(make_record())
    control = ControlClient(world.bus)
    async with world.indexer():
        await publish_items(world, record, range(30), first_version=5_000)
        await wait_until(lambda: has_items(world, record, 30))
        backup = (await succeeded(world, await start(world, record, Backup()))).result["backup"]
        before = await items(world, record)
    await forget_platform(world)
    async with world.indexer():
        restored = CollectionRecord.model_validate(await control.ask_any(PrepareRestore(backup=backup)))
        assert restored.name == record.name
        assert restored.uid != record.uid
        await succeeded(world, await start(world, restored, Restore(backup=backup)))
        assert await items(world, restored) == before
        version = (await world.bus.jetstream.publish(f"ingest.{restored.name}", b"")).seq
        assert version > max(before.values())
        await publish_items(world, restored, [0], first_version=version)
        await wait_until(lambda: is_at(world, restored, "item-0", version))


async def is_at(world: IndexerWorld, record: CollectionRecord, item_id: str, version: int) -> bool:
    return (await items(world, record)).get(item_id) == version


async def forget_platform(world: IndexerWorld) -> None:
    """The streams, the registry and the blobs of the old platform are gone; the backups alone are left."""
    for stream in (INGEST.name, EMBEDDED.name, "KV_collections", "KV_operations", "KV_leases"):
        await world.bus.jetstream.delete_stream(stream)
    await world.blobs.delete_folder("indexes")
    await ensure_topology(world.bus.client, replicas=1)
    await world.searcher.forget()


async def test_what_waits_for_the_embedder_is_not_lost_to_a_restoration(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        await publish_items(world, record, range(10), first_version=7_000)
        await wait_until(lambda: has_items(world, record, 10))
        backup = (await succeeded(world, await start(world, record, Backup()))).result["backup"]
        await world.bus.jetstream.publish(f"ingest.{record.name}", b"an item on its way")
        restoring = await start(world, record, Restore(backup=backup))
        subscription = await world.bus.jetstream.pull_subscribe(
            INGEST.subjects[0], durable=EMBEDDER_CONSUMER, stream=INGEST.name, config=ConsumerConfig()
        )
        (message,) = await subscription.fetch(1)
        assert message.data == b"an item on its way"
        await message.ack_sync()
        await succeeded(world, restoring)


async def test_a_backup_that_does_not_exist_is_not_restored(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        failed = await ended(world, await start(world, record, Restore(backup="nothing")))
        assert failed.state is OperationState.FAILED
        assert "there is no backup 'nothing'" in (failed.error or "")


async def test_a_restarted_indexer_knows_how_old_the_newest_backup_is(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    name, labels = "sightwire_indexer_last_backup_timestamp_seconds", {"collection": record.name}
    async with world.indexer():
        await succeeded(world, await start(world, record, Backup()))
        made = REGISTRY.get_sample_value(name, labels)
    metrics.forget_collection(record.name)
    async with world.indexer():
        assert await wait_until(lambda: REGISTRY.get_sample_value(name, labels)) == made
