"""Wires the indexer: bus, blob store, searchers, an owner for each collection, health."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from sightwire.blobs import BlobStore, open_blob_store
from sightwire.bus.collections import CollectionDirectory, CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.leases import LeaseKeeper
from sightwire.bus.searchers import SearcherDirectory
from sightwire.contracts.backups import BackupRetention
from sightwire.contracts.collections import CollectionRecord
from sightwire.segments.depot import remove_unfinished_copies
from sightwire.segments.merge_policy import MergePolicy
from sightwire.segments.text.building import MEMORY_FOLDER
from sightwire.segments.text.layout import remove_abandoned_folders
from sightwire.service.operations import JSON_CONTENT_TYPE
from sightwire.service.runner import ServiceContext
from sightwire_indexer.asyncapi import describe
from sightwire_indexer.backups.desk import BackupDesk
from sightwire_indexer.backups.options import BackupOptions
from sightwire_indexer.backups.shared import open_backups
from sightwire_indexer.backups.store import BackupStore
from sightwire_indexer.collections_keeper import CollectionsKeeper
from sightwire_indexer.commit_buffer import BufferLimits
from sightwire_indexer.control import IndexersControl
from sightwire_indexer.desks import DeskOptions
from sightwire_indexer.instance import claimed_identity
from sightwire_indexer.machine_memory import machine_memory_bytes
from sightwire_indexer.merge_processes import MergeProcesses
from sightwire_indexer.merging import MergeOptions
from sightwire_indexer.opening import IndexerOptions, OpenCollections, Surroundings
from sightwire_indexer.operations.store import OperationStore
from sightwire_indexer.outlet import BusOutlet
from sightwire_indexer.ownership import CollectionOwner
from sightwire_indexer.platform_metrics import watch_disks
from sightwire_indexer.ports import HousekeepingLimits
from sightwire_indexer.rebuilding.rebuilder import RebuildOptions
from sightwire_indexer.removal import Remover
from sightwire_indexer.settings import IndexerSettings
from sightwire_indexer.stream_watch import watch_streams
from sightwire_indexer.tasks import run_with_company
from sightwire_indexer.tombstone_horizon import TombstoneHorizon

logger = logging.getLogger(__name__)


async def run(context: ServiceContext[IndexerSettings]) -> None:
    """Indexes until `context.stopping` is set, then drains: what was read is committed."""
    settings = context.settings
    context.pages["/asyncapi.json"] = lambda: (describe(), JSON_CONTENT_TYPE, 200)
    has_started = asyncio.Event()
    bus = Bus(settings, name="indexer")
    context.health.add("start", lambda: None if has_started.is_set() else "collections are being read")
    context.health.add("bus", lambda: None if bus.is_connected else "not connected to the bus")
    async with AsyncExitStack() as resources:
        identity = resources.enter_context(claimed_identity(settings.indexer_work_dir))
        await asyncio.to_thread(remove_abandoned_folders, MEMORY_FOLDER)
        await asyncio.to_thread(remove_unfinished_copies, settings.indexer_work_dir)
        await resources.enter_async_context(bus)
        searchers = await resources.enter_async_context(SearcherDirectory(bus))
        horizon = TombstoneHorizon(settings.indexer_tombstone_grace_seconds)
        blobs = open_blob_store(settings.blobs_url)
        backups = open_backups(backup_options(settings), bus)
        outlet = BusOutlet(bus)
        directory = CollectionDirectory(bus)
        open_collections = OpenCollections(
            Surroundings(
                bus,
                blobs,
                backups,
                outlet,
                await resources.enter_async_context(MergeProcesses()),
                indexer_options(settings, horizon),
                lambda record: searchers.loaded(record.name, record.uid),
                searchers.addresses,
                directory.find,
            )
        )
        leases = LeaseKeeper(bus, identity)

        def take_settings(fresh: IndexerSettings) -> None:
            open_collections.take_options(indexer_options(fresh, horizon))
            backups.options = replace(backups.options, retention=backup_options(fresh).retention)

        context.configuration.add_listener(take_settings)

        def make_owner(record: CollectionRecord) -> CollectionOwner:
            return CollectionOwner(
                record.name,
                leases,
                lambda is_owner, stopping, report: open_collections.index(record, is_owner, stopping, report),
                lambda reason: outlet.announce_failed(record, reason),
            )

        registry = CollectionRegistry(bus)
        remover = Remover(leases, registry, blobs, OperationStore(bus), settings.indexer_work_dir)
        keeper = CollectionsKeeper(make_owner, remover.remove_deleted)
        context.health.add("collections", lambda: keeper.problem)
        directory.add_listener(open_collections.collection_changed)
        directory.add_listener(keeper.collection_changed)
        await resources.enter_async_context(directory)
        resources.push_async_callback(keeper.close, settings.drain_seconds)
        has_started.set()
        logger.info("ready", extra={"identity": identity, "collections": len(directory.all())})
        await run_with_company(
            context.stopping.wait(),
            _follow_searchers(searchers, open_collections),
            watch_streams(bus, horizon),
            watch_disks(_measured_folders(settings, blobs, backups.store)),
            IndexersControl(BackupDesk(backups, registry)).responder(bus).run(),
        )


def indexer_options(settings: IndexerSettings, horizon: TombstoneHorizon) -> IndexerOptions:
    """How every collection is indexed, as the settings say."""
    policy = MergePolicy(
        segments_per_tier=settings.indexer_segments_per_tier,
        max_rows=settings.indexer_max_segment_rows,
        max_deleted_share=settings.indexer_max_deleted_share,
    )
    return IndexerOptions(
        work_dir=settings.indexer_work_dir,
        buffer=BufferLimits(
            max_items=settings.indexer_max_buffered_items,
            max_bytes=settings.indexer_max_buffered_bytes,
            commit_seconds=settings.indexer_commit_seconds,
        ),
        housekeeping=HousekeepingLimits(
            keep_manifests=settings.indexer_keep_manifests,
            retention_seconds=settings.indexer_retention_seconds,
            interval_seconds=settings.indexer_housekeeping_seconds,
            idle_checkpoint_seconds=settings.indexer_idle_checkpoint_seconds,
            keep_generations=settings.indexer_keep_generations,
        ),
        merges=MergeOptions(
            policy=policy,
            graph_min_rows=settings.indexer_graph_min_rows,
            graph_threads=settings.indexer_merge_threads,
        ),
        horizon=horizon,
        desks=DeskOptions(
            work_dir=settings.indexer_work_dir,
            timeout_seconds=settings.indexer_operation_timeout_seconds,
            rebuilds=RebuildOptions(
                threads=settings.indexer_rebuild_threads,
                memory_bytes=settings.indexer_rebuild_memory_bytes or machine_memory_bytes() // 2,
                max_segment_rows=settings.indexer_max_segment_rows,
                graph_min_rows=settings.indexer_graph_min_rows,
            ),
            gates=settings.indexer_gates,
            merge_policy=policy,
        ),
    )


def backup_options(settings: IndexerSettings) -> BackupOptions:
    """Where backups are and how they are made, as the settings say."""
    recipients = (recipient.strip() for recipient in settings.indexer_backup_recipients.split(","))
    return BackupOptions(
        url=settings.indexer_backups_url,
        spool=settings.indexer_work_dir / "backups",
        recipients=tuple(filter(None, recipients)),
        identity_file=settings.indexer_backup_identity,
        retention=BackupRetention(keep=settings.indexer_backup_keep, keep_seconds=settings.indexer_backup_keep_seconds),
    )


def _measured_folders(settings: IndexerSettings, blobs: BlobStore, backups: BackupStore) -> dict[str, Path]:
    stores = {"work": settings.indexer_work_dir, "blobs": blobs.root, "backups": backups.root}
    return {name: folder for name, folder in stores.items() if folder is not None}


async def _follow_searchers(searchers: SearcherDirectory, open_collections: OpenCollections) -> None:
    while True:
        await searchers.wait_for_change()
        open_collections.searchers_changed()
