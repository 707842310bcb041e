"""An indexer that dies anywhere: what was acknowledged by the bus is in the index exactly once, and told so."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from sightwire_indexer.app import backup_options, indexer_options
from sightwire_indexer.backups.shared import open_backups
from sightwire_indexer.log_reader import LogMessage
from sightwire_indexer.merge_processes import MergeProcesses
from sightwire_indexer.opening import OpenCollections, Surroundings
from sightwire_indexer.outlet import BusOutlet
from sightwire_indexer.tombstone_horizon import TombstoneHorizon

from services.indexer.tests.indexer_world import IndexerWorld, embedded_item
from sightwire.bus.item_status import ItemStatusStore
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IndexReady, ItemState, ItemStatus
from tests.plugin.crashing_blobs import CrashingBlobStore, SimulatedCrashError
from tests.plugin.waiting import wait_until


class DyingOutlet(BusOutlet):
    """The process dies before, or right after, an event or a status goes out."""

    dies_before: str = ""
    dies_after: str = ""

    async def announce_ready(self, event: IndexReady) -> None:
        self._die(self.dies_before == "event" and event.items > 0)
        await super().announce_ready(event)
        self._die(self.dies_after == "event" and event.items > 0)

    async def send_statuses(self, statuses: Sequence[ItemStatus]) -> None:
        self._die(self.dies_before == "statuses" and bool(statuses))
        await super().send_statuses(statuses)
        self._die(self.dies_after == "statuses" and bool(statuses))

    async def bury(self, message: LogMessage, payload: bytes, reason: str) -> None:
        self._die(self.dies_before == "burial")
        await super().bury(message, payload, reason)
        self._die(self.dies_after == "burial")

    @staticmethod
    def _die(now: bool) -> None:
        if now:
            raise SimulatedCrashError("outlet")


CRASHES = {
    "before the delete bitmap": lambda blobs, outlet: blobs.crash_after(0),
    "after the delete bitmap": lambda blobs, outlet: blobs.crash_after(0, lose_answer=True),
    "before the manifest": lambda blobs, outlet: blobs.crash_after(1),
    "after the manifest": lambda blobs, outlet: blobs.crash_after(1, lose_answer=True),
    "before the event": lambda blobs, outlet: setattr(outlet, "dies_before", "event"),
    "after the event": lambda blobs, outlet: setattr(outlet, "dies_after", "event"),
    "before the statuses": lambda blobs, outlet: setattr(outlet, "dies_before", "statuses"),
    "after the statuses": lambda blobs, outlet: setattr(outlet, "dies_after", "statuses"),
    "before the burial": lambda blobs, outlet: setattr(outlet, "dies_before", "burial"),
    "after the burial": lambda blobs, outlet: setattr(outlet, "dies_after", "burial"),
}


async def index_until(
    world: IndexerWorld, record: CollectionRecord, outlet: BusOutlet, blobs: CrashingBlobStore
) -> None:
    """Indexes until the simulated death; what it had in memory is gone then."""
    async with MergeProcesses() as processes:
        surroundings = Surroundings(
            world.bus,
            blobs,
            open_backups(backup_options(world.settings), world.bus),
            outlet,
            processes,
            indexer_options(world.settings, TombstoneHorizon(3600)),
            lambda record: {"searcher-1": max((event.manifest_version for event in world.searcher.ready), default=0)},
            dict,
            {record.name: record}.get,
        )
        collections = OpenCollections(surroundings)
        await collections.index(record, lambda: True, asyncio.Event(), lambda _problem: None)


async def is_told(world: IndexerWorld, record: CollectionRecord, item_id: str, state: ItemState) -> bool:
    status = await ItemStatusStore(world.bus).get(record.name, item_id)
    return status is not None and status.state is state


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES.keys())
async def test_each_item_is_indexed_exactly_once_wherever_the_indexer_dies(
    world: IndexerWorld,
    make_record: Callable[..., CollectionRecord],
    crash: Callable[[CrashingBlobStore, DyingOutlet], None],
):
    record = await world.create(make_record())
    async with world.indexer():
        await world.indexed_up_to(
            record, await world.publish(record, embedded_item("updated", 1), embedded_item("b", 2))
        )
    blobs = CrashingBlobStore(world.blobs.local_path(""))
    outlet = DyingOutlet(world.bus)
    crash(blobs, outlet)
    # An update, a deletion, a new item, and one that cannot be indexed, so that every step happens.
    sequence = await world.publish(
        record,
        embedded_item("updated", 3),
        embedded_item("b", 4, deleted=True),
        embedded_item("c", 5),
        embedded_item("bad", 6, vector=[0.0] * 8),
    )
    with suppress(SimulatedCrashError, BaseExceptionGroup):
        async with asyncio.timeout(10):
            await index_until(world, record, outlet, blobs)
    async with world.indexer():
        content = await world.indexed_up_to(record, sequence)
        assert content.versions == {"updated": 3, "c": 5}
        for item_id, state in (
            ("updated", ItemState.SEARCHABLE),
            ("c", ItemState.SEARCHABLE),
            ("b", ItemState.DELETED),
            ("bad", ItemState.FAILED),
        ):
            await wait_until(lambda item_id=item_id, state=state: is_told(world, record, item_id, state))


async def test_sigkill_at_random_moments_loses_and_repeats_nothing(
    world: IndexerWorld, make_record: Callable[..., CollectionRecord]
):
    record = await world.create(make_record())
    moments = random.Random(7)
    expected: dict[str, int] = {}
    async with world.indexer_process(
        SIGHTWIRE_INDEXER_COMMIT_SECONDS="0.01",
        SIGHTWIRE_INDEXER_SEGMENTS_PER_TIER="3",
        SIGHTWIRE_INDEXER_GRAPH_MIN_ROWS="50",
    ) as indexer:
        version = 0
        for _ in range(3):
            await indexer.start()
            kill_at = moments.randrange(10, 40)
            for message in range(40):
                items = []
                for _ in range(5):
                    version += 1
                    item_id = f"item-{version % 400}"
                    expected[item_id] = version
                    items.append(embedded_item(item_id, version))
                sequence = await world.publish(record, *items)
                if message == kill_at:
                    await wait_until(indexer.is_ready, deadline=30)
                    checkpoint = (await world.content(record)).manifest.checkpoint.sequence
                    await world.indexed_up_to(record, min(checkpoint + 1, sequence), deadline=30)
                    await indexer.kill()
            await indexer.kill()
        await indexer.start()
        content = await world.indexed_up_to(record, sequence, deadline=60)
        assert content.versions == expected
        for item_id in expected:
            await wait_until(lambda item_id=item_id: is_told(world, record, item_id, ItemState.SEARCHABLE))
        assert await indexer.stop() == 0
