"""Opens a collection's index and its log, and indexes; what `CollectionOwner` runs while it holds the lease."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sightwire.blobs.store import BlobStore
from sightwire.bus.connection import Bus
from sightwire.contracts.collections import CollectionRecord
from sightwire.segments.index_writer import IndexWriter
from sightwire_indexer import metrics
from sightwire_indexer.backups.shared import Backups
from sightwire_indexer.collection_indexer import CollectionIndexer
from sightwire_indexer.commit_buffer import BufferLimits
from sightwire_indexer.coverage import CoverageDesk
from sightwire_indexer.desks import CollectionDesks, DeskOptions
from sightwire_indexer.following import Followers
from sightwire_indexer.log_position import new_index_checkpoint, starting_point
from sightwire_indexer.log_reader import LogReader, read_stream_state
from sightwire_indexer.merge_processes import MergeProcesses
from sightwire_indexer.merging import MergeOptions, Merger
from sightwire_indexer.outlet import BusOutlet
from sightwire_indexer.ports import HousekeepingLimits
from sightwire_indexer.removal import remove_past_incarnations
from sightwire_indexer.standing import Standing
from sightwire_indexer.statuses import StatusAnnouncer
from sightwire_indexer.tasks import run_with_company
from sightwire_indexer.tombstone_horizon import TombstoneHorizon
from sightwire_indexer.validation.deployed import Deployed


@dataclass(frozen=True, slots=True)
class IndexerOptions:
    """How every collection is indexed."""

    work_dir: Path
    buffer: BufferLimits
    housekeeping: HousekeepingLimits
    merges: MergeOptions
    #: When deletions may be forgotten.
    horizon: TombstoneHorizon
    desks: DeskOptions


@dataclass(slots=True)
class Surroundings:
    """What the collections of one indexer share."""

    bus: Bus
    blobs: BlobStore
    backups: Backups
    outlet: BusOutlet
    processes: MergeProcesses
    #: Replaced by `OpenCollections.take_options`.
    options: IndexerOptions
    #: Manifest version of an incarnation that each live searcher has loaded, by searcher.
    loaded: Callable[[CollectionRecord], Mapping[str, int]]
    #: gRPC address of each live searcher, by searcher.
    addresses: Callable[[], Mapping[str, str]]
    #: The present record of a collection, None if there is none.
    find: Callable[[str], CollectionRecord | None]


@dataclass(frozen=True, slots=True)
class _OpenCollection:
    indexer: CollectionIndexer
    merger: Merger
    desks: CollectionDesks
    announcer: StatusAnnouncer
    followers: Followers
    standing: Standing


class OpenCollections:
    """The collections that this indexer is indexing now."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._coverage = CoverageDesk(surroundings.blobs, surroundings.options.work_dir, surroundings.find)
        self._open: dict[str, _OpenCollection] = {}

    def searchers_changed(self) -> None:
        """A searcher loaded something, came or went."""
        for collection in self._open.values():
            collection.announcer.poke()
            collection.followers.changed()

    async def collection_changed(self, _name: str, _record: CollectionRecord | None) -> None:
        """Listener of the collection directory: another index may answer now."""
        for collection in self._open.values():
            collection.standing.collections_changed()
            collection.announcer.poke()

    def take_options(self, options: IndexerOptions) -> None:
        """Indexes every collection in another way from now on."""
        self._surroundings.options = options
        for collection in self._open.values():
            collection.indexer.take_limits(options.buffer, options.housekeeping)
            collection.merger.options = options.merges
            collection.merger.poke()
            collection.desks.take_options(options.desks)

    def indexer(self, collection: str) -> CollectionIndexer | None:
        """The indexer of a collection; None for one that is not open here."""
        found = self._open.get(collection)
        return found.indexer if found is not None else None

    async def index(
        self,
        record: CollectionRecord,
        is_owner: Callable[[], bool],
        stopping: asyncio.Event,
        report: Callable[[str | None], None],
    ) -> None:
        """Indexes a collection until `stopping` is set.

        Args:
            record: the collection.
            is_owner: whether the lease holds.
            stopping: drain and return.
            report: called with None once indexing works, and with what does not work meanwhile.

        Raises:
            LogMismatchError: the log is not the one that the index was made from.
            CorruptDataError: the index is damaged.
            ConflictError: another indexer owns the collection.
            UnavailableError: the bus or the blob store does not answer.
        """
        around = self._surroundings
        # Of a name that was deleted and created again while no indexer was there.
        await remove_past_incarnations(around.blobs, around.options.work_dir, record.name, keep_uid=record.uid)
        stream = await read_stream_state(around.bus)
        writer = await IndexWriter.open(
            record, around.blobs, around.options.work_dir, new_index_checkpoint=new_index_checkpoint(stream)
        )
        start = starting_point(writer.manifest, stream)
        standing = Standing(record, around.find)
        announcer = StatusAnnouncer(
            record.users_name,
            lambda: min(around.loaded(record).values(), default=0),
            around.outlet.send_statuses,
            answers=lambda: standing.answered is not None,
            announced_sequence=start.sequence,
        )
        followers = Followers(lambda: around.loaded(record))
        writing = asyncio.Lock()
        merger = Merger(
            writer,
            around.processes,
            around.options.merges,
            safe_version=lambda checkpoint: around.options.horizon.safe_version(
                record.name, checkpoint, alone_since=standing.alone_since
            ),
        )
        async with LogReader(around.bus, record.name, start=start) as log:
            indexer = CollectionIndexer(
                record,
                writer,
                log,
                around.outlet,
                merger,
                announcer,
                around.blobs,
                followers,
                Deployed(record, around.addresses).verify,
                writing=writing,
                buffer_limits=around.options.buffer,
                housekeeping=around.options.housekeeping,
                is_owner=is_owner,
                report=report,
            )
            desks = CollectionDesks(
                record,
                indexer,
                writer,
                around.bus,
                around.blobs,
                around.backups,
                around.options.desks,
                self._coverage,
                standing,
                writing=writing,
                safe_version=lambda: merger.safe_version,
                is_owner=is_owner,
            )
            await desks.open()
            self._open[record.name] = _OpenCollection(indexer, merger, desks, announcer, followers, standing)
            metrics.WAITING_ITEMS.labels(record.name).set_function(lambda: announcer.waiting_items)
            try:
                await run_with_company(indexer.run(stopping), desks.run(stopping))
            finally:
                del self._open[record.name]
