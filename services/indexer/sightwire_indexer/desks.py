"""What can be asked of the indexer of one collection, put together: operations, generations, schedules, diagnosis."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sightwire.blobs.store import BlobStore
from sightwire.bus.connection import Bus
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.validation import GateThresholds
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.merge_policy import MergePolicy
from sightwire_indexer.backups.restoring import Restoring
from sightwire_indexer.backups.shared import Backups
from sightwire_indexer.backups.taking import BackupTaking
from sightwire_indexer.collection_indexer import CollectionIndexer
from sightwire_indexer.control import IndexControl
from sightwire_indexer.coverage import CoverageDesk
from sightwire_indexer.diagnosis import Diagnoser
from sightwire_indexer.generation_desk import GenerationDesk
from sightwire_indexer.operations.activation import Activation
from sightwire_indexer.operations.desk import OperationDesk
from sightwire_indexer.operations.migration_guard import MigrationGuard
from sightwire_indexer.operations.store import OperationStore
from sightwire_indexer.operations.switches import Switches
from sightwire_indexer.rebuilding.rebuilder import Rebuilder, RebuildOptions
from sightwire_indexer.scanning import Scanner
from sightwire_indexer.schedules.desk import ScheduleDesk
from sightwire_indexer.standing import Standing
from sightwire_indexer.tasks import run_with_company
from sightwire_indexer.users_desk import UsersDesk
from sightwire_indexer.validation.gatekeeper import Gatekeeper


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """How operations are carried out."""

    work_dir: Path
    timeout_seconds: float
    rebuilds: RebuildOptions
    gates: GateThresholds
    merge_policy: MergePolicy


class CollectionDesks:
    """Await `open` first, then call `run` once beside the indexer.

    Args:
        coverage: compares this index with others.
        standing: whether it answers for its collection.
        writing: held while the index changes.
        safe_version: version up to which no change can arrive any more.
        is_owner: whether no other process can own the collection yet.
    """

    def __init__(
        self,
        record: CollectionRecord,
        indexer: CollectionIndexer,
        writer: IndexWriter,
        bus: Bus,
        blobs: BlobStore,
        backups: Backups,
        options: DeskOptions,
        coverage: CoverageDesk,
        standing: Standing,
        *,
        writing: asyncio.Lock,
        safe_version: Callable[[], int],
        is_owner: Callable[[], bool],
    ) -> None:
        async def forget_unfinished() -> None:
            async with writing:
                await writer.forget_unfinished()

        self._gatekeeper = Gatekeeper(record, writer, blobs, writing=writing, thresholds=options.gates)
        guard = MigrationGuard(bus, standing)
        activation = Activation(indexer, writer, self._gatekeeper, guard, writing=writing)
        switches = Switches(writer, activation)
        self._rebuilder = Rebuilder(
            record, writer, activation, options.rebuilds, writing=writing, safe_version=safe_version
        )
        backup_taking = BackupTaking(record, writer, blobs, backups, writing=writing)
        self.operations = OperationDesk(
            record,
            OperationStore(bus),
            {
                "rebuild": self._rebuilder.carry_out,
                "validate": switches.validate,
                "switch": switches.switch,
                "rollback": switches.rollback,
                "backup": backup_taking.carry_out,
                "restore": Restoring(record, writer, blobs, backups, bus, activation, writing=writing).carry_out,
                "scan": Scanner(record, writer, blobs).carry_out,
            },
            timeout_seconds=options.timeout_seconds,
            is_owner=is_owner,
            forget_unfinished=forget_unfinished,
            check=guard.check,
        )
        self._diagnoser = Diagnoser(
            record,
            writer,
            bus,
            blobs,
            work_dir=options.work_dir,
            policy=options.merge_policy,
            answered=lambda: standing.answered,
        )
        control = IndexControl(
            self.operations, GenerationDesk(writer, self._gatekeeper, writing=writing), self._diagnoser, coverage
        )
        self._users_desk = UsersDesk(
            bus,
            standing,
            control,
            lambda collection: ScheduleDesk(collection, bus, self.operations, index=record),
            backup_taking.observe,
        )
        # A collection of users has no name but theirs.
        self._responders = [control.responder(bus, record.name, None)] if record.shadow_of is not None else []

    def take_options(self, options: DeskOptions) -> None:
        """Carries later operations out in another way."""
        self._gatekeeper.thresholds = options.gates
        self._rebuilder.options = options.rebuilds
        self._diagnoser.policy = options.merge_policy
        self.operations.timeout_seconds = options.timeout_seconds

    async def open(self) -> None:
        """Takes up what an indexer before this one left unfinished; raises as `OperationDesk.open`."""
        await self.operations.open()

    async def run(self, stopping: asyncio.Event) -> None:
        """Carries operations out, runs schedules and answers requests until `stopping` is set.

        Raises:
            ConflictError: another indexer owns the collection.
        """
        await run_with_company(
            self.operations.run(stopping),
            self._users_desk.run(),
            *(responder.run() for responder in self._responders),
        )
